"""Putting back what commands must not change, where nothing keeps them from changing it.

For a sandbox without mounts: until its command has ended, a change is there. No link is followed,
and what stands in the way of a protected file is removed.
"""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from sandbox.delete import delete, opened
from sandbox.protected import Part
from sandbox.sandbox import SandboxUnavailable

_MOST = 2**26
"""Bytes of protected files that are kept in memory."""
_DEEP = 100
"""Folders within each other that are looked into."""
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Content: TypeAlias = "tuple[int, bytes] | dict[str, Content] | str | None"
"""A file's mode and bytes, a folder's entries, anything else in a word, or nothing there."""


class _TooLarge(Exception):
    """More than what is kept; the text names the file."""


class PutBack:
    """What the protected parts of a workspace held when this was made."""

    def __init__(self, root: Path, parts: Sequence[Part]) -> None:
        """Read them.

        Raises:
            SandboxUnavailable: they are too large to be kept.
        """
        self._root = root.resolve()
        paths = [PurePosixPath(part.path) for part in parts if part.readonly]
        try:
            with opened(self._root) as folder:
                self._kept = {path: _content(folder, path) for path in paths}
        except _TooLarge as error:
            raise SandboxUnavailable(
                f"No sandbox for {root}: {error} is too large to be put back after a command; "
                "use bubblewrap or Docker."
            ) from error

    def restore(self) -> tuple[str, ...]:
        """Make the parts hold that again; those that did not, relative to the workspace.

        Raises:
            OSError: it cannot be done.
        """
        changed: list[str] = []
        with opened(self._root) as folder:
            for path, content in self._kept.items():
                try:
                    same = _content(folder, path) == content
                except (_TooLarge, OSError):
                    same = False
                if not same:
                    changed.append(str(path))
                    _put(folder, path, content)
        return tuple(changed)


def _content(folder: int, path: PurePosixPath) -> Content:
    """What is there.

    Raises:
        _TooLarge: too much.
        OSError: it cannot be read.
    """
    first, *rest = path.parts
    if not rest:
        return _read(folder, first, [_MOST])
    try:
        with opened(first, folder) as below:
            return _content(below, PurePosixPath(*rest))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(folder: int, name: str, room: list[int], depth: int = 0) -> Content:
    try:
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    room[0] -= state.st_size + 100
    if room[0] < 0 or depth > _DEEP:
        raise _TooLarge(name)
    if stat.S_ISDIR(state.st_mode):
        with opened(name, folder) as below:
            names = sorted(os.listdir(below))  # noqa: PTH208 - of a descriptor
            return {entry: _read(below, entry, room, depth + 1) for entry in names}
    if not stat.S_ISREG(state.st_mode):
        return "something else"
    descriptor = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return stat.S_IMODE(state.st_mode), file.read(state.st_size + 1)


def _put(folder: int, path: PurePosixPath, content: Content) -> None:
    """Replace what is there, and whatever but a folder is where the folders above should be."""
    first, *rest = path.parts
    if not rest:
        _remove(folder, first)
        _write(folder, first, content)
        return
    if not _is_folder(folder, first):
        if content is None:
            return
        _remove(folder, first)
        os.mkdir(first, dir_fd=folder)
    with opened(first, folder, force=True) as below:
        _put(below, PurePosixPath(*rest), content)


def _is_folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _remove(folder: int, name: str) -> None:
    if _is_folder(folder, name):
        delete(name, folder)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _write(folder: int, name: str, content: Content) -> None:
    if isinstance(content, dict):
        os.mkdir(name, dir_fd=folder)
        with opened(name, folder) as below:
            for entry, inner in content.items():
                _write(below, entry, inner)
    elif isinstance(content, tuple):
        mode, data = content
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
        with os.fdopen(os.open(name, flags, mode, dir_fd=folder), "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            state = os.fstat(folder)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), state.st_uid, state.st_gid)
