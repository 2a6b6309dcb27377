"""A process that the warden has started for us, until it is gone with all that it started."""

import asyncio
import contextlib
import os
from dataclasses import dataclass

from sandbox.cgroup import Cgroup
from sandbox.sandbox import SandboxBroken
from sandbox.warden.client import Denied, warden

_GONE = 10.0
"""Seconds that killed processes may take to be gone."""


@dataclass
class Running:
    """It, and what was made for it."""

    pid: int
    gone: int
    """A pidfd: it becomes readable once all that ran inside is gone."""
    said: int
    """A file in memory with its complaints."""
    group: Cgroup
    _ended: bool = False

    def complaint(self) -> str:
        """The last line of what it complained about."""
        said = b"" if self._ended else os.pread(self.said, 2**16, 0)
        return said.decode(errors="replace").strip().rpartition("\n")[2]

    async def end(self) -> None:
        """Kill it, wait until it is gone, and give everything back. Safe to call twice."""
        if self._ended:
            return
        self._ended = True
        # A warden that has died took all of it along.
        with contextlib.suppress(SandboxBroken, Denied):
            warden().ask("kill", self.pid)
            await _readable(self.gone)
            warden().ask("ungroup", [folder for folder, _ in self.group.files])
        os.close(self.gone)
        os.close(self.said)


async def _readable(descriptor: int) -> None:
    """Wait until it can be read, though not for ever."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GONE):
                await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def in_memory(data: bytes | None) -> int:
    """A file to be read once; its descriptor."""
    file = os.memfd_create("given")
    os.pwrite(file, data or b"", 0)
    return file
