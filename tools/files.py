"""Reading, writing and listing files."""

from pathlib import Path

from tools.call import ToolError
from tools.clip import LIMIT, Clipped
from tools.preview import diff
from tools.ripgrep import ripgrep
from tools.textfile import TextFile, load, missing, relative, save
from tools.tool import Context, tool


@tool("read", more="use start and end")
async def read_file(context: Context, path: str, start: int = 1, end: int = 0) -> str:
    """Show a text file, or some of its lines.

    Args:
        context: The workspace.
        path: Relative to the workspace.
        start: First line, counted from 1.
        end: Last line; 0 is the end of the file.
    """
    try:
        text = load(path, context.root).shown
    except FileNotFoundError:
        raise missing(path) from None
    if not text:
        return f"[{path} is empty]"
    lines = _lines(text)
    last = len(lines) if end == 0 else min(end, len(lines))
    if not 1 <= start <= last:
        raise ToolError(
            f"{path} has {len(lines)} lines; there is no line {start} to {end or last}."
        )
    fits = _fitting(lines[start - 1 : last])
    if (start, fits) == (1, len(lines)):
        return text
    wanted, last = last, start + fits - 1
    rest = f"; go on with start={last + 1}" if last < wanted else ""
    shown = f"[lines {start}-{last} of {len(lines)}{rest}]\n" + "".join(lines[start - 1 : last])
    return Clipped(shown) if rest else shown


def _preview(root: Path, path: str, content: str) -> str:
    try:
        old = load(path, root)
    except FileNotFoundError:
        return diff(path, None, content)
    return diff(path, old, written(old, content))


@tool("write", preview=_preview)
async def write_file(context: Context, path: str, content: str) -> str:
    """Write a whole text file, new or in place of the old one.

    Args:
        context: The workspace.
        path: Relative to the workspace.
        content: The whole new text.
    """
    try:
        old = load(path, context.root)
    except FileNotFoundError:
        old = TextFile("")
    save(path, context.root, written(old, content))
    count = len(_lines(content))
    return f"Wrote {path}, {count} {'line' if count == 1 else 'lines'}."


@tool("read", more="name a folder with path")
async def list_files(context: Context, path: str = ".") -> str:
    """List the files in a folder and below; what git ignores is left out.

    Args:
        context: The workspace.
        path: Relative to the workspace.
    """
    folder = relative(path, context.root)
    listed = await ripgrep(context, folder, ["--files", "--null"])
    names = sorted(
        name.removeprefix("./").replace("\n", "\\n") for name in listed.split("\0") if name
    )
    return "\n".join(names) if names else f"[no files in {path}]"


def written(old: TextFile, content: str) -> str:
    """The text that replaces a file's: the old one's line ends and byte order mark stay."""
    mark = "\ufeff" if old.raw.startswith("\ufeff") and not content.startswith("\ufeff") else ""
    return mark + old.fitted(content)


def _fitting(lines: list[str]) -> int:
    """How many whole lines fit into an observation; at least one."""
    room = LIMIT - 200
    for count, line in enumerate(lines):
        room -= len(line)
        if room < 0:
            return max(count, 1)
    return len(lines)


def _lines(text: str) -> list[str]:
    """The lines with their ends, split at line feeds only."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
