"""Reading, writing and listing files."""

import asyncio
from pathlib import Path

from tools.misses import hit
from tools.nearest import astray
from tools.page import split, whole, window
from tools.preview import diff
from tools.ripgrep import names
from tools.textfile import LARGEST, TextFile, load, opened, save
from tools.tool import Context, tool


@tool("read", more="use start and end")
async def read_file(
    context: Context, path: str, start: int = 1, end: int = 0, numbers: bool = False
) -> str:
    """Show a text file, or some of its lines.

    Args:
        context: The workspace.
        path: Relative to the workspace.
        start: First line, counted from 1.
        end: Last line; 0 is the end of the file.
        numbers: Put its number and a tab before each line.
    """
    try:
        file, size = opened(path, context.root)
    except FileNotFoundError:
        raise await astray(context, path) from None
    with file:
        if size > LARGEST:
            page = await asyncio.to_thread(window, path, file, size, max(start, 1))
        else:
            page = whole(path, file, size)
    return page.shown(start, end, numbers) if page.lines else f"[{path} is empty]"


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
    save(path, context, written(old, content), old.encoding)
    hit(context, path)
    count = len(split(content))
    return f"Wrote {path}, {count} {'line' if count == 1 else 'lines'}."


@tool("read", more="name a folder with path")
async def list_files(context: Context, path: str = ".") -> str:
    """List the files in a folder and below; what git ignores is left out.

    Args:
        context: The workspace.
        path: Relative to the workspace.
    """
    listed = await names(context, path)
    return "\n".join(listed) if listed else f"[no files in {path}]"


def written(old: TextFile, content: str) -> str:
    """The text that replaces a file's: the old one's line ends and byte order mark stay."""
    mark = "\ufeff" if old.raw.startswith("\ufeff") and not content.startswith("\ufeff") else ""
    return mark + old.fitted(content)
