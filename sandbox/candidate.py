"""The copy of a workspace that is judged: filled from it, with the tests as they have to be."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sandbox.snapshot import DEEPEST
from sandbox.tree import Tree, TreeError, belong
from sandbox.workspace import delete, encoded, place

_LEFT_OUT = frozenset((".git", ".venv", "venv", "__pycache__", ".pytest_cache", "node_modules"))
_CONFIGURATION = frozenset(
    ("conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.ini", ".pytest.ini",
     "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg", "pyproject.toml")
)  # fmt: skip
_SHADOWS = frozenset(
    ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py", "unittest")
)
_SUFFIXES = (".pth", ".dist-info", ".egg-info", ".pyc")
_LARGEST = 2**30
"""Bytes of a workspace that are copied to be judged."""
_MOST = 100_000
"""Files and folders of it."""


class Unfit(Exception):
    """The workspace cannot be copied, by its own fault; the text says why."""


def fill(source: Path, target: Path) -> None:
    """Copy folders, regular files and links (as links); pipes, sockets and caches are left out.

    Raises:
        Unfit: there is too much, it is too deep, or something in it may not be read.
        OSError: the workspace itself is not there, or the copy has no room.
    """
    pending, room, left = [(source, target, 0)], _LARGEST, _MOST
    while pending:
        here, there, depth = pending.pop()
        if depth > DEEPEST:
            raise Unfit(f"The workspace has more than {DEEPEST} folders within each other.")
        for entry in _entries(here, source):
            left -= 1
            path = there / entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _LEFT_OUT:
                    path.mkdir()
                    belong(path)
                    pending.append((Path(entry.path), path, depth + 1))
            elif (room := room - _size(entry)) >= 0:
                _copy(entry, path)
            if room < 0 or left < 0:
                raise Unfit(f"The workspace holds over {_LARGEST} bytes or {_MOST} files.")


def _entries(folder: Path, source: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except PermissionError:
        if folder == source:
            raise
        raise Unfit(f"The folder {folder.name} in the workspace may not be read.") from None


def _size(entry: os.DirEntry[str]) -> int:
    return 0 if entry.is_symlink() else entry.stat(follow_symlinks=False).st_size


def _copy(entry: os.DirEntry[str], target: Path) -> None:
    """Copy one link or regular file."""
    if entry.is_symlink():
        target.symlink_to(Path(entry.path).readlink())
        belong(target)
    elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
        try:
            shutil.copy2(entry.path, target, follow_symlinks=False)
            belong(target)
        except PermissionError:
            raise Unfit(f"The file {entry.name} in the workspace may not be read.") from None


def restore(copy: Path, protected: Iterable[str], start: Mapping[str, str]) -> None:
    """Put the protected files back, remove what else could steer the run, and look that it is so.

    `start`: every file that the episode began with, path to text, the protected ones as they have
    to be.

    Raises:
        Refused: a file name leads out of the workspace.
        OSError: a file could not be put back.
    """
    tests = {str(Path(path)) for path in protected}
    for relative in list(_steering(copy)):
        if relative not in start:
            _remove(copy / relative, any(known.startswith(f"{relative}/") for known in start))
    for path, text in start.items():
        if path in tests or steers(path):
            place(copy, path, text)
    for path in tests:
        _compare(copy, path, encoded(path, start[path]))


def _compare(copy: Path, path: str, data: bytes) -> None:
    """A protected file is what it has to be, through the eyes that follow no link."""
    try:
        found = Tree(copy).read(path, len(data) + 1)
    except TreeError as error:
        raise OSError(f"The protected file {path} could not be put back: {error}") from error
    if found != data:
        raise OSError(f"The protected file {path} was changed while it was put back.")


def _steering(copy: Path) -> Iterator[str]:
    """Relative paths of what could steer a run; no link is followed, no folder too deep."""
    pending = [""]
    while pending:
        here = pending.pop()
        with contextlib.suppress(OSError), os.scandir(copy / here) as found:
            for entry in found:
                relative = f"{here}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    pending.append(relative)
                if steers(relative):
                    yield relative


def _remove(path: Path, needed: bool) -> None:
    """Remove a file, a link or a folder; a folder that is `needed` for start files stays."""
    if path.is_dir() and not path.is_symlink():
        if not needed:
            delete(path)
    elif path.parent.is_dir():
        path.unlink(missing_ok=True)


def steers(relative: str) -> bool:
    """Whether a file or folder of this name can change how tests run."""
    path = Path(relative)
    top = path.parts[0].split(".")[0]
    return (
        path.name in _CONFIGURATION
        or path.name == "__pycache__"
        or path.name.endswith(_SUFFIXES)
        or (top in _SHADOWS and (len(path.parts) > 1 or path.suffix in ("", ".py", ".so")))
    )
