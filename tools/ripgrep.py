"""ripgrep, run in the sandbox on behalf of a tool."""

import re
import stat
from collections.abc import Sequence
from pathlib import Path

from tools.call import ToolError
from tools.textfile import inside, missing
from tools.tool import Context

_ALWAYS = ("rg", "--no-config", "--color=never", "--no-require-git", "--sort=path")
_NOTHING = 1
_LONGEST = 100_000
"""Bytes of one argument; the kernel takes 128 KiB."""
_SECONDS = 60.0
_NAMES = 2**23
"""Bytes of a list of files."""
_CUT = re.compile(r"\n\[\.\.\. \d+ bytes cut \.\.\.\]\n")


async def ripgrep(
    context: Context,
    path: str,
    arguments: Sequence[str],
    output_bytes: int | None = None,
    seconds: float = _SECONDS,
) -> str:
    """What ripgrep found in a file or folder, sorted by path; empty where it found nothing.

    Raises:
        ToolError: it did not work, mostly in ripgrep's own words.
    """
    place = inside(path, context.root)
    if any("\0" in word or len(word.encode()) > _LONGEST for word in (*arguments, place)):
        raise ToolError("A pattern or path is too long, or it holds a NUL; use a shorter one.")
    _no_pipe(place, context.root)
    command = [*_ALWAYS, *arguments, "--", dashed(place)]
    # Nothing of the workspace may run for a call that only reads, not even its own `rg`.
    completed = await context.sandbox.run(
        command,
        seconds=seconds,
        output_bytes=output_bytes,
        env={"PATH": context.sandbox.programs},
    )
    if completed.timed_out:
        raise ToolError("That took too long; look in a smaller folder.")
    if completed.exit_code in (0, _NOTHING) or completed.stdout:
        return completed.stdout
    if "No such file or directory" in completed.stderr:
        raise missing(path)
    raise ToolError(completed.stderr.strip() or f"ripgrep ended with {completed.exit_code}.")


def dashed(path: str) -> str:
    """The path as one that is no option; to ripgrep a lone dash is the standard input."""
    return f"./{path}" if path.startswith("-") else path


def _no_pipe(path: str, root: Path) -> None:
    """ripgrep would wait for whoever writes into a pipe."""
    try:
        mode = (root / path).stat().st_mode
    except OSError:
        return  # Of what is not there, or is too long, ripgrep speaks itself.
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ToolError(f"{path} is not a regular file.")


async def names(
    context: Context, path: str, arguments: Sequence[str] = (), seconds: float = _SECONDS
) -> list[str]:
    """The files in a folder and below that git does not ignore, sorted; line feeds are `\\n`.

    Raises:
        ToolError: as `ripgrep`.
    """
    listed = await ripgrep(context, path, ["--files", "--null", *arguments], _NAMES, seconds)
    # Of a list that was cut, the two names at the cut are lost.
    found = (name for name in listed.split("\0") if name and not _CUT.search(name))
    return sorted(name.removeprefix("./").replace("\n", "\\n") for name in found)
