"""What a call would do, for a person to approve before it happens."""

from pathlib import Path

from sandbox.snapshot import unified
from tools.call import ToolCall, ToolError
from tools.edit import edited
from tools.files import written
from tools.registry import default_tools
from tools.textfile import TextFile, load, missing


def preview(call: ToolCall, root: Path) -> str | None:
    """The diff of a write, the text of a command, None for calls that only read.

    A call that cannot work gives the sentence that says why.
    """
    found = next((tool for tool in default_tools() if tool.name == call.name), None)
    if found is None or found.effect == "read":
        return None
    try:
        arguments = {name: str(value) for name, value in found.validated(call.arguments).items()}
        if found.effect == "run":
            return arguments["command"] if "command" in arguments else arguments["code"]
        return _diff(call.name, arguments, root)
    except ToolError as error:
        return str(error)


def _diff(name: str, arguments: dict[str, str], root: Path) -> str:
    path = arguments["path"]
    try:
        file, old_name = load(path, root), f"a/{path}"
    except FileNotFoundError:
        if name == "edit_file":
            raise missing(path) from None
        file, old_name = TextFile(""), "/dev/null"
    if name == "edit_file":
        after = edited(file, path, arguments["old"], arguments["new"])[0]
    else:
        after = written(file, arguments["content"])
    return unified(file.shown, TextFile(after).shown, old_name, f"b/{path}")
