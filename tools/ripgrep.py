"""ripgrep, run in the sandbox on behalf of a tool."""

from collections.abc import Sequence

from tools.call import ToolError
from tools.textfile import missing
from tools.tool import Context

_ALWAYS = ("rg", "--no-config", "--color=never", "--no-require-git", "--sort=path")
_NOTHING = 1
_LONGEST = 100_000
"""Bytes of one argument; the kernel takes 128 KiB."""


async def ripgrep(context: Context, path: str, arguments: Sequence[str]) -> str:
    """What ripgrep found in a file or folder, sorted by path; empty where it found nothing.

    Raises:
        ToolError: it did not work, mostly in ripgrep's own words.
    """
    if any("\0" in word or len(word.encode()) > _LONGEST for word in (*arguments, path)):
        raise ToolError("A pattern or path is too long, or it holds a NUL; use a shorter one.")
    completed = await context.sandbox.run([*_ALWAYS, *arguments, "--", path])
    if completed.timed_out:
        raise ToolError("That took too long; look in a smaller folder.")
    if completed.exit_code in (0, _NOTHING) or completed.stdout:
        return completed.stdout
    if "No such file or directory" in completed.stderr:
        raise missing(path)
    raise ToolError(completed.stderr.strip() or f"ripgrep ended with {completed.exit_code}.")
