"""What a call would do, for a person to approve before it happens."""

from collections.abc import Sequence
from pathlib import Path

from sandbox.snapshot import unified
from tools.call import ToolCall, ToolError
from tools.textfile import TextFile
from tools.tool import Tool


def preview(call: ToolCall, tools: Sequence[Tool], root: Path) -> str | None:
    """What a call would do: a diff, a command; None for calls that only read.

    A call that cannot work gives the sentence that says why.
    """
    found = next((tool for tool in tools if tool.name == call.name), None)
    if found is None or found.effect == "read":
        return None
    try:
        arguments = found.validated(call.arguments)
        return found.preview(root, **arguments) if found.preview else _listed(found, arguments)
    except ToolError as error:
        return str(error)


def diff(path: str, before: TextFile | None, after: str) -> str:
    """What a person is shown of a file's new text; `before` is None for a new file."""
    old_name = "/dev/null" if before is None else f"a/{path}"
    old = before or TextFile("")
    return unified(old.shown, TextFile(after).shown, old_name, f"b/{path}")


def _listed(tool: Tool, arguments: dict[str, object]) -> str:
    """The first argument as it is, then those that differ from their defaults, by name."""
    properties = tool.parameters["properties"]
    defaults = properties if isinstance(properties, dict) else {}
    lines: list[str] = []
    for name, value in arguments.items():
        known = defaults.get(name)
        if not lines:
            lines.append(str(value))
        elif not isinstance(known, dict) or "default" not in known or known["default"] != value:
            lines.append(f"[{name}: {value}]")
    return "\n".join(lines)
