"""A tool: an async function whose signature and docstring are its schema."""

import difflib
import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, cast

import docstring_parser

from sandbox.sandbox import Sandbox
from tools.call import JSON, Final, Observation, ToolCall, ToolError
from tools.clip import Clipped, clip
from tools.memory import Memory
from tools.schema import ToolSchema
from tools.web import Web

Effect = Literal["read", "write", "run", "net"]
"""What a call does at most: look, change files, run code, or send something off the machine."""
Ask = Callable[[str, Sequence[str]], Awaitable[str]]
"""Puts a question with possible answers to the user; returns the answer."""
_OFFLINE = Web()
_Parameters = ParamSpec("_Parameters")


async def nobody(question: str, options: Sequence[str]) -> str:
    """The answer where no user is there."""
    return "Nobody is there to answer: decide yourself, and say in the end what you assumed."


@dataclass(frozen=True)
class Context:
    """What a tool works on."""

    sandbox: Sandbox
    root: Path
    """The workspace on the host."""
    memory: Memory = field(default_factory=Memory, compare=False)
    """What tools keep from one call to the next; closed at the end of the conversation."""
    ask: Ask = nobody
    web: Web = _OFFLINE
    readonly: tuple[Path, ...] = ()
    """What of the workspace no tool may write, relative to it, as commands may not either."""


@dataclass(frozen=True)
class Tool:
    """A function with what a model must know to call it."""

    function: Callable[..., Awaitable[str]]
    """Takes a context, then the arguments of the call; raises ToolError for the model to read."""
    effect: Effect
    more: str
    """How to see what was cut out of a long observation."""
    preview: Callable[..., str] | None = None
    """Takes the workspace's root, then the arguments of a call; what it would do, for a person.

    None shows the arguments. Raises ToolError where the call cannot work.
    """

    @cached_property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @cached_property
    def description(self) -> str:
        """The docstring up to its arguments."""
        return (docstring_parser.parse(self.function.__doc__ or "").description or "").strip()

    @cached_property
    def signature(self) -> str:
        """How to call it, in Python's notation, without the context."""
        parameters = ", ".join(str(p) for p in _parameters(self.function))
        return f"{self.name}({parameters})"

    @cached_property
    def parameters(self) -> dict[str, JSON]:
        """The arguments as a JSON schema, in the order of the signature."""
        raw = cast("dict[str, JSON]", self._arguments.model_json_schema())
        documented = docstring_parser.parse(self.function.__doc__ or "").params
        descriptions = {param.arg_name: param.description for param in documented}
        known = cast("dict[str, JSON]", raw.get("$defs", {}))
        properties: dict[str, JSON] = {}
        for name, value in cast("dict[str, dict[str, JSON]]", raw["properties"]).items():
            slim = cast("dict[str, JSON]", _slim(value, known))
            text = descriptions.get(name)
            properties[name] = {**slim, "description": text} if text else slim
        required = raw.get("required", [])
        return {"type": "object", "properties": properties, "required": required}

    def validated(self, arguments: dict[str, JSON]) -> dict[str, object]:
        """Arguments with their defaults, converted where that is harmless ("5" to 5).

        Those that the function takes as dataclasses are made ones.

        Raises:
            ToolError: they do not fit; the text says what was expected.
        """
        from pydantic import ValidationError

        try:
            json.dumps(arguments, ensure_ascii=False).encode()
            model = self._arguments.model_validate(arguments)
        except UnicodeEncodeError:
            raise ToolError("The arguments hold half of a character; write it whole.") from None
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg'].lower()}"
                for item in error.errors(include_url=False)
            )
            raise ToolError(f"Wrong arguments ({problems}). Call {self.signature}.") from None
        return {p.name: cast("object", getattr(model, p.name)) for p in _parameters(self.function)}

    @cached_property
    def _arguments(self) -> Any:  # noqa: ANN401 - a class made at run time
        from pydantic import ConfigDict, create_model

        fields = {
            p.name: (p.annotation, ... if p.default is p.empty else p.default)
            for p in _parameters(self.function)
        }
        make = cast("Any", create_model)
        return make(self.name, __config__=ConfigDict(extra="forbid"), **fields)


def tool(
    effect: Effect,
    *,
    more: str = "ask for less at once",
    preview: Callable[Concatenate[Path, _Parameters], str] | None = None,
) -> Callable[[Callable[Concatenate[Context, _Parameters], Awaitable[str]]], Tool]:
    """Make a tool of an async function; see `Tool` for the rest."""

    def decorate(function: Callable[Concatenate[Context, _Parameters], Awaitable[str]]) -> Tool:
        return Tool(function, effect, more, preview)

    return decorate


def schema(tool: Tool) -> ToolSchema:
    """The tool as a model sees it; the same tool gives the same bytes every time."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def fault(call: ToolCall, tools: Sequence[Tool]) -> str:
    """Why a call cannot even begin, and how to call the tool; empty if it can."""
    try:
        _found(call.name, tools).validated(call.arguments)
    except ToolError as error:
        return str(error)
    return ""


def _found(name: str, tools: Sequence[Tool]) -> Tool:
    by_name = {tool.name: tool for tool in tools}
    if name in by_name:
        return by_name[name]
    close = difflib.get_close_matches(name, by_name, 1)
    meant = f" If {close[0]} was meant, call {by_name[close[0]].signature}." if close else ""
    raise ToolError(f"There is no tool {name}. There are: {', '.join(by_name)}.{meant}")


async def execute(call: ToolCall, tools: Sequence[Tool], context: Context) -> Observation:
    """Carry a call out; what the model did wrong becomes an observation that says so.

    Raises:
        SandboxBroken: the infrastructure failed, which is nothing the model could mend.
    """
    try:
        found = _found(call.name, tools)
        text = await found.function(context, **found.validated(call.arguments))
    except ToolError as error:
        text, cut = clip(str(error), "ask for less at once")
        return Observation(call.id, call.name, text, ok=False, truncated=cut)
    if isinstance(text, Final):
        return Observation(call.id, call.name, "The turn ends.", final=str(text))
    shown, cut = clip(text, found.more)
    return Observation(call.id, call.name, shown, truncated=cut or isinstance(text, Clipped))


def _slim(value: JSON, known: dict[str, JSON]) -> JSON:
    """A part of a schema without titles, what it refers to put in its place."""
    if isinstance(value, list):
        return [_slim(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(reference := value.get("$ref"), str):
        return _slim(known[reference.rpartition("/")[2]], known)
    return {
        key: _slim(item, known)
        for key, item in value.items()
        # A class's docstring speaks to us, not to models; an argument may have such a name.
        if key not in ("title", "description") or not isinstance(item, str)
    }


def _parameters(function: Callable[..., Awaitable[str]]) -> list[inspect.Parameter]:
    """The function's parameters without its context."""
    # Evaluated, since annotations of other packages may be texts.
    return list(inspect.signature(function, eval_str=True).parameters.values())[1:]
