"""Reading and writing files of a folder that somebody hostile fills, from outside of any sandbox.

No link and no pipe leads out of the folder: paths are resolved by the kernel beneath it (openat2),
or, where the kernel cannot, links are not followed at all.
"""

import ctypes
import errno
import os
import secrets
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

_OPENAT2 = 437
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_BASE = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class TreeError(Exception):
    """The file cannot be had; the text says which and why."""


@cache
def _syscall() -> "ctypes._NamedFuncPointer":  # pyright: ignore[reportPrivateUsage]
    return ctypes.CDLL(None, use_errno=True).syscall


def _openat2(folder: int, path: str, flags: int, mode: int, resolve: int) -> int:
    """The system call; a descriptor, or OSError."""
    raw = os.fsencode(path)
    how = struct.pack("=QQQ", flags, mode, resolve)
    descriptor = _syscall()(
        ctypes.c_long(_OPENAT2),
        ctypes.c_int(folder),
        ctypes.c_char_p(raw),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return int(descriptor)


def _walk(folder: int, path: str, flags: int, mode: int) -> int:
    """Open without openat2: part by part, following no link."""
    *parents, name = PurePosixPath(path).parts or (".",)
    if ".." in (*parents, name) or path.startswith("/"):
        raise OSError(errno.EXDEV, "leaves the folder", path)
    current = os.dup(folder)
    try:
        for part in parents:
            descriptor = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = descriptor
        return os.open(name, flags | os.O_NOFOLLOW, mode, dir_fd=current)
    finally:
        os.close(current)


def name(path: str) -> str:
    """The path as one relative to its tree.

    Raises:
        TreeError: it is empty, absolute, leads out, or cannot name a file at all.
    """
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise TreeError(f"{path} leads out of the workspace.")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if path.startswith("/"):
        raise TreeError(f"{path} is outside of the workspace; use a path relative to it.")
    if not path or "\0" in path:
        raise TreeError("A path must not be empty and must not hold a NUL character.")
    return "/".join(parts) or "."


@dataclass(frozen=True)
class Tree:
    """A folder as a place for files."""

    root: Path
    beneath: Callable[[int, str, int, int, int], int] = _openat2
    """How the kernel resolves a path; where it says that it cannot, no link is followed."""

    def read(self, path: str, limit: int = 2**24) -> bytes:
        """The bytes of a regular file.

        Raises:
            TreeError: it is something else, or holds more than `limit`.
            FileNotFoundError: there is no such file.
        """
        with self.open(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise TreeError(f"{path} is too large to be read at once ({size} bytes).")
            return file.read(limit)

    def open(self, path: str) -> BinaryIO:
        """A regular file, open for reading, of whatever size.

        Raises:
            TreeError: it is something else.
            FileNotFoundError: there is no such file.
        """
        descriptor = self._open(name(path), os.O_RDONLY | _BASE, 0, _BENEATH | _NO_MAGICLINKS)
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            os.close(descriptor)
            raise TreeError(f"{path} is a folder, not a file.")
        if not stat.S_ISREG(state.st_mode):
            os.close(descriptor)
            raise TreeError(f"{path} is not a regular file.")
        return os.fdopen(descriptor, "rb")

    def names(self, path: str) -> list[str]:
        """What is in a folder, following no link; nothing where there is none.

        Raises:
            TreeError: it cannot be read.
        """
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | _BASE
            folder = self._open(name(path), flags, 0, _BENEATH | _NO_SYMLINKS)
        except FileNotFoundError:
            return []
        try:
            return os.listdir(folder)  # noqa: PTH208 - of a descriptor
        finally:
            os.close(folder)

    def write(self, path: str, data: bytes, *, git: bool = False) -> None:
        """Replace a file's bytes at once, or make it and the folders above; its mode stays.

        Links are not followed, and nothing inside a `.git` is written unless `git` says so: git
        would run it. Killed or out of space in the middle, the old bytes are still there.

        Raises:
            TreeError: it cannot be written.
        """
        parts = PurePosixPath(name(path)).parts
        if not git and any(part.lower() == ".git" for part in parts):
            raise TreeError(f"{path} is git's own; use git commands instead.")
        if not parts:
            raise TreeError(f"{path} is a folder, not a file.")
        try:
            self._make_folders(parts[:-1])
            above = "/".join(parts[:-1]) or "."
            folder = self._open(above, os.O_PATH | os.O_DIRECTORY, 0, _BENEATH | _NO_SYMLINKS)
            try:
                _replace(folder, parts[-1], data)
            finally:
                os.close(folder)
        except OSError as error:
            raise TreeError(_reason(path, error)) from error

    def remove(self, path: str) -> None:
        """Remove a file or a link; links above it are not followed. One that is gone is fine.

        Raises:
            TreeError: it cannot be removed.
        """
        *above, last = PurePosixPath(name(path)).parts or (".",)
        try:
            flags = os.O_PATH | os.O_DIRECTORY
            folder = self._open("/".join(above) or ".", flags, 0, _BENEATH | _NO_SYMLINKS)
            try:
                os.unlink(last, dir_fd=folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise TreeError(_reason(path, error)) from error

    def _make_folders(self, parts: tuple[str, ...]) -> None:
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            try:
                os.close(self._open(path, os.O_PATH | os.O_DIRECTORY, 0, _BENEATH | _NO_SYMLINKS))
            except FileNotFoundError:
                above = "/".join(parts[: count - 1]) or "."
                flags = os.O_PATH | os.O_DIRECTORY
                folder = self._open(above, flags, 0, _BENEATH | _NO_SYMLINKS)
                try:
                    os.mkdir(parts[count - 1], dir_fd=folder)
                    _belong_folder(folder, parts[count - 1])
                finally:
                    os.close(folder)

    def _open(self, path: str, flags: int, mode: int, resolve: int) -> int:
        """Open beneath the root; the error names the file as the caller did."""
        root = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                return self.beneath(root, path, flags, mode, resolve)
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.EPERM):
                    raise
                return _walk(root, path, flags, mode)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise TreeError(_reason(path, error)) from error
        finally:
            os.close(root)


def _belong_folder(above: int, name: str) -> None:
    """As `belong`, for a folder that somebody hostile may have exchanged meanwhile."""
    if os.geteuid() == 0:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | _BASE
        descriptor, owner = os.open(name, flags, dir_fd=above), os.stat(".", dir_fd=above)
        try:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)


def belong(path: Path) -> None:
    """Give what root has just made to the owner of its folder: who works there is often another."""
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)


def _replace(folder: int, name: str, data: bytes) -> None:
    """Write a file of an open folder: beside it first, then by a rename."""
    try:
        old = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        old = None
    if old is not None:
        # Opening it says what no rename would: a link, a folder, a pipe, a file that is read-only.
        flags = os.O_WRONLY | os.O_NOFOLLOW | _BASE
        with os.fdopen(os.open(name, flags, dir_fd=folder), "wb") as file:
            if not stat.S_ISREG(old.st_mode):
                raise OSError(errno.ENXIO, "not a regular file")
            if old.st_nlink > 1:  # A rename would part it from its other names.
                file.write(data)
                file.truncate()
                return
    part = f".assistant-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BASE
    descriptor = os.open(part, flags, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if old is not None:
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            if os.geteuid() == 0:
                like = old or os.stat(".", dir_fd=folder)
                os.fchown(descriptor, like.st_uid, like.st_gid)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(part, dir_fd=folder)
        raise


def _reason(path: str, error: OSError) -> str:
    """What went wrong, in words."""
    if error.errno in (errno.EXDEV, errno.ELOOP):
        return f"{path} is a link, or lies behind one; use the real path."
    if error.errno == errno.ENXIO:
        return f"{path} is not a regular file."
    return f"{path}: {(error.strerror or str(error)).lower()}."
