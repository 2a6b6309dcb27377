"""Removing a folder that somebody hostile may have laid out: without permissions, or very deep."""

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path

_DEEP = 100
"""Folders within each other that are open at a time."""
_ROUNDS = 10_000
"""Times that what lay deep is looked at; a path may have 2,000 parts, and more are possible."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def delete(folder: Path | str, above: int | None = None) -> None:
    """Remove a folder with all that is in it, following no link. One that is gone is fine.

    `above`: a descriptor that the path is relative to.

    Raises:
        OSError: it cannot be removed, or somebody goes on filling it.
    """
    try:
        with opened(folder, above, force=True) as top:
            for _ in range(_ROUNDS):
                if not _empty(top, top, _DEEP):
                    break
        os.rmdir(folder, dir_fd=above)
    except FileNotFoundError:
        return


def _empty(folder: int, top: int, left: int) -> bool:
    """Remove what is in an open folder; whether something was too deep and lies in `top` now."""
    moved = False
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            try:
                os.unlink(name, dir_fd=folder)
            except IsADirectoryError:
                if left:
                    with opened(name, folder, force=True) as below:
                        moved = _empty(below, top, left - 1) or moved
                    os.rmdir(name, dir_fd=folder)
                else:
                    os.rename(name, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=top)
                    moved = True
    return moved


@contextlib.contextmanager
def opened(folder: Path | str, above: int | None = None, *, force: bool = False) -> Generator[int]:
    """A folder that is no link, as a descriptor.

    `force`: its owner is given all permissions that were taken away.

    Raises:
        OSError: there is none, or it is not ours to change.
    """
    path = os.open(folder, os.O_PATH | _FOLDER, dir_fd=above)
    try:
        mode = os.fstat(path).st_mode
        if force and mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{path}", mode & 0o7777 | 0o700)  # noqa: PTH101
        descriptor = os.open(f"/proc/self/fd/{path}", _FOLDER & ~os.O_NOFOLLOW)
    finally:
        os.close(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
