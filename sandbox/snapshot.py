"""What a folder held at one time, to say later what changed."""

import contextlib
import difflib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SKIPPED = frozenset((".git", ".venv", "venv", "node_modules", "__pycache__", ".pytest_cache"))
DEEPEST = 100
"""Folders within each other; what is deeper is left out."""
_FILE = 2**20
"""Larger files are known by size and time only."""
_WORK = 2**28
"""Pairs of lines beyond which two texts are not compared line by line: it could take minutes."""
_TOTAL = 2**25
"""So are all files after this many bytes."""


@dataclass(frozen=True)
class Entry:
    """A file, or a link. `data` is None where only size and time were kept."""

    data: bytes | None
    mark: tuple[int, int] = (0, 0)
    """Size and modification time in nanoseconds."""


Snapshot = dict[str, Entry]
"""Relative path to what was there; folders are not recorded."""


def snapshot(root: Path) -> Snapshot:
    """Record the files beneath a folder, following no links; caches and `.git` are left out."""
    entries: Snapshot = {}
    room = _TOTAL
    for folder, names, files in os.walk(root):
        names[:] = sorted(set(names) - _SKIPPED)
        if len(Path(folder).parts) - len(root.parts) >= DEEPEST:
            names.clear()
        links = [name for name in names if Path(folder, name).is_symlink()]
        for file in sorted((*files, *links)):
            path = Path(folder, file)
            entry = _entry(path, room)
            if entry:
                entries[str(path.relative_to(root))] = entry
                room -= len(entry.data or b"")
    return entries


def changes(lower: int, upper: int, whole: int) -> tuple[Snapshot, Snapshot]:
    """What a copy-on-write folder held and holds, where that differs; by descriptors.

    `lower`: what it is over; `upper`: what has changed, as overlayfs keeps it; `whole`: both.
    Source: the kernel's documentation of overlayfs, "whiteouts and opaque directories".
    """
    old, marks, new = (Path(f"/proc/self/fd/{folder}") for folder in (lower, upper, whole))
    before: Snapshot = {}
    after: Snapshot = {}
    pending = [Path()]
    while pending:
        folder = pending.pop()
        with contextlib.suppress(OSError):
            for path in sorted(folder / mark.name for mark in (marks / folder).iterdir()):
                if _continues(marks / path, old / path) and len(path.parts) <= DEEPEST:
                    if path.name not in _SKIPPED:
                        pending.append(path)
                else:
                    before |= _recorded(old, path)
                    after |= _recorded(new, path)
    return before, after


def _continues(mark: Path, old: Path) -> bool:
    """Whether a folder of the upper layer only adds to that of the lower one."""
    if not mark.is_dir() or mark.is_symlink() or not old.is_dir() or old.is_symlink():
        return False
    names = os.listxattr(mark)
    return not any(
        f"{kind}.overlay.{name}" in names
        for kind in ("trusted", "user")
        for name in ("opaque", "redirect")
    )


def _recorded(root: Path, path: Path) -> Snapshot:
    """One file, or all files of one folder."""
    if (root / path).is_dir() and not (root / path).is_symlink():
        inside = {} if path.name in _SKIPPED else snapshot(root / path)
        return {str(path / name): entry for name, entry in inside.items()}
    entry = _entry(root / path, _TOTAL)
    return {str(path): entry} if entry else {}


def _entry(path: Path, room: int) -> Entry | None:
    """Record one file, or None where there is nothing to record."""
    try:
        state = path.lstat()
        mark = (state.st_size, state.st_mtime_ns)
        if stat.S_ISLNK(state.st_mode):
            return Entry(b"link to " + os.fsencode(path.readlink()))
        if not stat.S_ISREG(state.st_mode):
            return None
        if state.st_size > min(_FILE, room):
            return Entry(None, mark)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return Entry(file.read(_FILE), mark)
    except OSError:  # It went away, or may not be read: then it cannot be compared either.
        return None


def difference(before: Snapshot, after: Snapshot) -> str:
    """A unified diff in git's style; files that are not text are only named."""
    return "".join(
        _file_difference(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if not same(before.get(path), after.get(path))
    )


def same(old: Entry | None, new: Entry | None) -> bool:
    """Whether they hold the same, as far as is known; when they were written does not matter."""
    if old and new and old.data is not None and new.data is not None:
        return old.data == new.data
    return old == new


def _file_difference(path: str, old: Entry | None, new: Entry | None) -> str:
    shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    before, after = _text(old), _text(new)
    names = (f"a/{shown}" if old else "/dev/null", f"b/{shown}" if new else "/dev/null")
    if before is None or after is None:
        return f"Binary files {names[0]} and {names[1]} differ\n"
    return unified(before, after, *names) or f"--- {names[0]}\n+++ {names[1]}\n"


def _text(entry: Entry | None) -> str | None:
    """The text of a file; None where it is none."""
    if entry is None:
        return ""
    if entry.data is None or b"\0" in entry.data:
        return None
    try:
        return entry.data.decode()
    except UnicodeDecodeError:
        return None


def unified(before: str, after: str, old_name: str, new_name: str) -> str:
    """A unified diff of two texts that keeps line ends and marks a missing last one."""
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    lines = (
        difflib.unified_diff(old, new, old_name, new_name)
        if len(old) * len(new) <= _WORK
        else [f"--- {old_name}\n", f"+++ {new_name}\n", *_one_hunk(old, new)]
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _one_hunk(old: list[str], new: list[str]) -> Iterator[str]:
    """All between the first and the last line that differ, as removed and added."""
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    room = shorter - head
    tail = next((n for n in range(room) if old[-1 - n] != new[-1 - n]), room)
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    starts = (head + bool(gone), head + bool(come))
    yield f"@@ -{starts[0]},{len(gone)} +{starts[1]},{len(come)} @@\n"
    yield from (f"-{line}" for line in gone)
    yield from (f"+{line}" for line in come)


def _lines(text: str) -> list[str]:
    """Split at line feeds only: other separators are part of a line."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
