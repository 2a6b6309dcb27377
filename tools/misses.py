"""Edits that missed, one after the other in the same file: weak models repeat them without end."""

from tools.call import ToolError
from tools.tool import Context

_PATIENCE = 2


class _Misses(dict[str, int]):
    """How often edits of a file missed since it was last changed."""


class Miss(ToolError):
    """The text to replace is not there exactly once."""

    def __init__(self, text: str, small: bool) -> None:
        """`small`: a model can well write the whole file."""
        super().__init__(text)
        self.small = small


def missed(context: Context, path: str, error: Exception) -> Exception:
    """The error; for the second miss in a row with what to do instead of a third one."""
    if not isinstance(error, Miss):
        return error
    misses = context.memory.of(_Misses)
    misses[path] = misses.get(path, 0) + 1
    if misses[path] < _PATIENCE:
        return error
    if error.small:
        order = f"Do not edit it again: call write_file with the whole new text of {path}"
    else:
        order = f"Call read_file on {path} with start and end, and copy old from what it shows"
    return ToolError(f"{error}\n[Edits of {path} missed {misses[path]} times in a row. {order}.]")


def hit(context: Context, path: str) -> None:
    """The file was changed: its misses are forgotten."""
    context.memory.of(_Misses).pop(path, None)
