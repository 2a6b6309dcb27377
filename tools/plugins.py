"""Tools of other packages, found by their entry points in the group `assistant.tools`."""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, get_args

from sandbox.sandbox import SandboxBroken
from tools.call import ToolError
from tools.tool import Effect, Tool, schema

GROUP = "assistant.tools"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def plugins(taken: Iterable[str], say: Callable[[str], None]) -> tuple[Tool, ...]:
    """The tools of installed packages, in the order of their entry points' names.

    They run in our process, as what the user has installed beside us; only what they hand to
    `context.sandbox` is confined. A broken one, or one whose name is among `taken`, is left out,
    and `say` is told in one sentence.
    """
    names, found = set(taken), list[Tool]()
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            tool = _loaded(point, names)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - another package's code
            reason = " ".join(str(error).split()) or type(error).__name__
            say(f"The tool {point.name} {_origin(point)}is left out: {reason}.")
        else:
            names.add(tool.name)
            found.append(tool)
    return tuple(found)


def _origin(point: EntryPoint) -> str:
    return f"of the package {point.dist.name} " if point.dist else ""


def _loaded(point: EntryPoint, taken: set[str]) -> Tool:
    """The tool behind an entry point.

    Raises:
        ValueError: it cannot be used; the text says why.
    """
    tool = point.load()
    if not isinstance(tool, Tool):
        raise ValueError(f"{point.value} is no Tool; make one with tools.tool.tool")
    if not _NAME.fullmatch(tool.name):
        raise ValueError(f"{tool.name} is no name for a tool; use letters, digits and _")
    if tool.name in taken:
        raise ValueError(f"there is a tool {tool.name} already; rename the function")
    if not inspect.iscoroutinefunction(tool.function) or tool.effect not in get_args(Effect):
        raise ValueError(f"it must be an async function with one of {get_args(Effect)}")
    if not tool.description:
        raise ValueError("it has no docstring, which is all that a model knows of it")
    schema(tool)
    shows = tool.preview and _careful(tool.name, tool.preview)
    return replace(tool, function=_guarded(tool.function), preview=shows)


def _careful(name: str, preview: Callable[..., str]) -> Callable[..., str]:
    """The same preview; where it breaks, what is asked for is seen all the same."""

    @functools.wraps(preview)
    def careful(root: Path, **arguments: object) -> str:
        try:
            return str(preview(root, **arguments))
        except ToolError:
            raise
        except Exception as error:
            raise ToolError(
                f"{name} cannot show what it would do ({error}): {arguments}"
            ) from error

    return careful


def _guarded(function: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    """The same function; what goes wrong in it becomes an observation and ends no chat."""

    @functools.wraps(function)
    async def guarded(*arguments: object, **named: object) -> str:
        try:
            text: Any = await function(*arguments, **named)
        except (ToolError, SandboxBroken):
            raise
        except Exception as error:
            raise ToolError(
                f"{function.__name__} failed ({type(error).__name__}: {error})."
            ) from error
        # A tool of our own would not pass the type checker with anything else.
        return text if isinstance(text, str) else str(text)

    return guarded
