"""What a command may take of a disk that has no quota of its own."""

import asyncio
import os
from pathlib import Path

from sandbox.limits import Limits

_PAUSE = 0.1
_FILES = 200_000
"""New files that one command may make."""


async def filled(root: Path, limits: Limits) -> str:
    """Wait until the disk has shrunk by too much since now; the limit in words.

    Who else writes to the same disk counts too: the kernel does not tell them apart.
    """
    before = os.statvfs(root)
    most = limits.workspace_mb * 2**20
    while True:
        await asyncio.sleep(_PAUSE)
        now = os.statvfs(root)
        if before.f_bfree * before.f_frsize - now.f_bfree * now.f_frsize > most:
            return f"more than {limits.workspace_mb} MB of disk"
        if before.f_ffree - now.f_ffree > _FILES:
            return f"more than {_FILES} new files"
