"""Editing a file by exact search and replace."""

import difflib
from pathlib import Path

from tools.call import ToolError
from tools.preview import diff
from tools.textfile import TextFile, load, missing, save
from tools.tool import Context, tool

_WINDOWS = 4000
"""How many places are compared at most to find the closest one."""
_WORK = 2**27
"""Pairs of characters that are compared at most, which takes about a second."""
_SHOWN_MATCHES = 10
_LEAST_LIKENESS = 0.3


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
    text, at = edited(file, path, old, new)
    save(path, context.root, text)
    return f"Edited {path} at line {file.raw.count(chr(10), 0, at) + 1}."


def edited(file: TextFile, path: str, old: str, new: str) -> tuple[str, int]:
    """The file's text with `old` replaced, and where; everything else stays as it was.

    Raises:
        ToolError: `old` is empty, equal to `new`, not there, or there more than once.
    """
    if not old or old == new:
        raise ToolError("old must not be empty, and new must differ from it.")
    search = old if old in file.raw else file.fitted(old)
    at = file.raw.find(search)
    if at < 0:
        raise ToolError(_closest(file.shown, path, old))
    if file.raw.find(search, at + 1) >= 0:
        raise ToolError(_ambiguous(file.raw, path, search))
    return file.raw[:at] + file.fitted(new) + file.raw[at + len(search) :], at


def _loaded(path: str, root: Path) -> TextFile:
    try:
        return load(path, root)
    except FileNotFoundError:
        raise missing(path) from None


def _ambiguous(text: str, path: str, old: str) -> str:
    """Where all the matches are."""
    lines: list[str] = []
    at = text.find(old)
    while at >= 0:
        lines.append(str(text.count("\n", 0, at) + 1))
        at = text.find(old, at + 1)
    shown = ", ".join(lines[:_SHOWN_MATCHES]) + (", ..." if len(lines) > _SHOWN_MATCHES else "")
    return (
        f"old occurs {len(lines)} times in {path}, at lines {shown}. "
        "Add the lines around it, so that it occurs once."
    )


def _closest(text: str, path: str, old: str) -> str:
    """The region that is most like what was looked for."""
    lines, wanted = text.split("\n"), old.removesuffix("\n").split("\n")
    best, likeness, room = 0, 0.0, _WORK
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2("\n".join(wanted))
    for start in _starts(lines, wanted):
        region = "\n".join(lines[start : start + len(wanted)])
        matcher.set_seq1(region)
        if matcher.real_quick_ratio() > likeness and matcher.quick_ratio() > likeness:
            room -= len(region) * len(old)
            if room < 0:
                break
            ratio = matcher.ratio()
            if ratio > likeness:
                best, likeness = start, ratio
    if likeness < _LEAST_LIKENESS:
        return f"old was not found in {path}, nor anything like it. read_file shows the file."
    if likeness == 1:
        return f"{path} holds bytes there that are not UTF-8; use run_python to change it."
    end = min(best + len(wanted), len(lines))
    region = "\n".join(lines[best:end])
    return (
        f"old was not found in {path}. The closest text is lines {best + 1}-{end}:\n{region}\n"
        "[Copy old from there exactly.]"
    )


def _starts(lines: list[str], wanted: list[str]) -> list[int]:
    """Line numbers from 0 where the region may start; in long files only likely ones."""
    every = range(max(1, len(lines) - len(wanted) + 1))
    if len(every) * len(wanted) <= _WINDOWS:
        return list(every)
    known = {line.strip(): index for index, line in enumerate(wanted) if line.strip()}
    common = [
        start
        for number, line in enumerate(lines)
        if line.strip() in known and (start := number - known[line.strip()]) >= 0
    ]
    return list(dict.fromkeys(common))[: _WINDOWS // max(1, len(wanted))]
