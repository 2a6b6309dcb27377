"""Editing files by exact search and replace."""

import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.tree import TreeError, name
from tools.call import ToolError
from tools.match import place
from tools.misses import hit, missed
from tools.preview import diff
from tools.textfile import TextFile, load, missing, relative, save
from tools.tool import Context, tool


@dataclass(frozen=True)
class Edit:
    """One replacement in one file."""

    path: str
    old: str
    new: str


def _preview(root: Path, path: str, old: str, new: str) -> str:
    file = _loaded(path, root)
    return diff(path, file, edited(file, path, old, new)[0])


@tool("write", preview=_preview)
async def edit_file(context: Context, path: str, old: str, new: str) -> str:
    """Replace text that occurs exactly once in a file.

    Args:
        context: The workspace.
        path: Relative to the workspace.
        old: The exact text, with its spaces; whole lines work best.
        new: What takes its place.
    """
    file = _loaded(path, context.root)
    try:
        text, at = edited(file, path, old, new)
    except ToolError as error:
        raise missed(context, path, error) from None
    save(path, context, text, file.encoding)
    hit(context, path)
    return f"Edited {path} at line {file.raw.count(chr(10), 0, at) + 1}."


def _preview_all(root: Path, edits: list[Edit]) -> str:
    return "".join(diff(path, old, new) for path, (old, new) in _planned(edits, root).items())


@tool("write", preview=_preview_all)
async def edit_files(context: Context, edits: list[Edit]) -> str:
    """Replace texts in one or more files: all of them, or none if one does not fit.

    Args:
        context: The workspace.
        edits: Made one after the other; each old must occur exactly once.
    """
    files = _planned(edits, context.root, context)
    _save_all(files, context)
    for path in files:
        hit(context, path)
    return f"Made {len(edits)} edits in {', '.join(files)}."


def edited(file: TextFile, path: str, old: str, new: str) -> tuple[str, int]:
    """The file's text with `old` replaced, and where; everything else stays as it was.

    Raises:
        Miss: it is not there exactly once.
        ToolError: `old` is empty, or equal to `new`.
    """
    if not old or old == new:
        raise ToolError("old must not be empty, and new must differ from it.")
    start, end = place(file, path, old)
    found = file.raw[start:end]
    exact = found in (old, file.fitted(old))
    text = file.fitted(new) if exact else _ended(new, found)
    return file.raw[:start] + text + file.raw[end:], start


def _ended(new: str, found: str) -> str:
    """The new text with the line ends, which may be mixed, of what it replaces, one by one."""
    ends = re.findall("\r?\n", found)
    first, *rest = new.replace("\r\n", "\n").split("\n")
    return first + "".join(ends[min(n, len(ends) - 1)] + line for n, line in enumerate(rest))


def _planned(
    edits: list[Edit], root: Path, context: Context | None = None
) -> dict[str, tuple[TextFile, str]]:
    """Each file as it is, and the text that it shall have; nothing is written.

    Misses are counted where there is a context.

    Raises:
        ToolError: an edit does not work; it says which.
    """
    if not edits:
        raise ToolError("edits must hold at least one edit.")
    files: dict[str, tuple[TextFile, str]] = {}
    for number, edit in enumerate(edits, 1):
        try:
            path = name(relative(edit.path, root))
            if path not in files:
                file = _loaded(path, root)
                files[path] = file, file.raw
            file, text = files[path]
            now = TextFile(text, file.encoding)
            files[path] = file, edited(now, path, edit.old, edit.new)[0]
        except (ToolError, TreeError) as error:
            said = missed(context, edit.path, error) if context else error
            where = f"Edit {number} of {len(edits)}" if len(edits) > 1 else "The edit"
            raise ToolError(f"{where} does not work, and no file was changed. {said}") from None
    return files


def _save_all(files: dict[str, tuple[TextFile, str]], context: Context) -> None:
    """Write all files; where one cannot be written, the others get their old text back."""
    written: list[str] = []
    try:
        for path, (file, text) in files.items():
            save(path, context, text, file.encoding)
            written.append(path)
    except ToolError as error:
        lost = [path for path in reversed(written) if not _restored(path, context, files[path][0])]
        state = f"These files hold the new text: {', '.join(lost)}" if lost else "No file changed"
        raise ToolError(f"{error} {state}.") from None


def _restored(path: str, context: Context, file: TextFile) -> bool:
    try:
        save(path, context, file.raw, file.encoding)
    except ToolError:
        return False
    return True


def _loaded(path: str, root: Path) -> TextFile:
    try:
        return load(path, root)
    except FileNotFoundError:
        raise missing(path) from None
