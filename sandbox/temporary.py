"""Temporary folders that do not outlive the process that made them, however it ends."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from secrets import token_hex

from sandbox.delete import delete
from sandbox.warden.client import forget, guard

_PREFIX = "assistant-workspace-"


def temporary(parent: Path | None = None) -> Path:
    """A new folder; to be removed with `drop`."""
    folder = Path(parent or tempfile.gettempdir(), f"{_PREFIX}{os.getpid()}-{token_hex(8)}")
    _drop_leftovers(folder.parent)
    guard("tree", str(folder))
    folder.mkdir(mode=0o700)
    return folder


def drop(folder: Path) -> None:
    """Remove one with all that is in it. Safe to call twice."""
    delete(folder)
    forget("tree", str(folder))


@contextmanager
def scratch() -> Generator[Path, None, None]:
    """A new folder, removed at the end."""
    folder = temporary()
    try:
        yield folder
    finally:
        drop(folder)


@cache
def _drop_leftovers(parent: Path) -> None:
    """Remove what processes left that were killed together with their warden."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not pid.isdigit() or Path("/proc", pid).exists():
            continue
        if folder.lstat().st_uid == os.geteuid():
            delete(folder)
