"""No sandbox at all: commands run as the user's own, with all that the user may do.

Only for who asks for it by name. Holds: limits on time, output and file size, and that what a
command leaves running is killed. Everything else is open: files, network, other processes.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.conversation import finished
from sandbox.launch import Channel, entry
from sandbox.limits import Limits
from sandbox.sandbox import SandboxBroken

_LENT = Path(__file__).parent / "lent"
_PATIENCE = 3.0
"""Seconds that a supervisor may take to kill what runs and to end."""


def _environment(python: str) -> dict[str, str]:
    return {
        # Last comes where our `rg` is, for tools that search.
        "PATH": f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin:"
        f"{sysconfig.get_path('scripts')}",
        "HOME": os.environ.get("HOME", "/"),
        "USER": os.environ.get("USER", "user"),
        "LANG": "C.UTF-8",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@dataclass
class Bare:
    """Starts the supervisor as a plain process; commands get a small environment and nothing else
    is done for or against them."""

    root: Path
    limits: Limits
    python: str = field(default_factory=lambda: os.path.realpath(sys.executable))
    """Of the workspace's code. The default is the one that our own environment was made from."""
    name: str = "none"
    workdir: str = field(init=False, default="")
    base: str = field(init=False, default=os.path.realpath(sys.executable))
    lent: str = str(_LENT)
    grammars: str = field(init=False, default=sysconfig.get_path("platlib"))
    environment: Mapping[str, str] = field(init=False, default_factory=dict[str, str])
    settings: Mapping[str, object] = field(init=False, default_factory=dict[str, object])

    def __post_init__(self) -> None:
        """Nothing is mapped: inside is outside."""
        self.workdir = str(self.root)
        self.environment = _environment(self.python)
        self.settings = {
            "reap": "descendants",
            "watch_memory_mb": self.limits.memory_mb,
            "rlimits": {"fsize": self.limits.file_mb * 2**20},
            "watch_disk": True,
        }

    async def start(self) -> Channel:
        """Start a fresh supervisor; see `sandbox.launch.Launch.start`.

        asyncio kills a process whose start is cancelled and waits for its pipes: it is finished
        first and then ended.

        Raises:
            SandboxBroken: it could not be started.
        """
        starting = asyncio.ensure_future(_spawn(self.lent))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            channel = await finished(starting)
            await finished(channel.end())
            raise


def _kill_children(pid: int) -> None:
    """Of the keeper that is the supervisor; the rest it sees to itself."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            os.kill(int(child), signal.SIGKILL)


async def _spawn(lent: str) -> Channel:
    ours, theirs = socket.socketpair()
    try:
        process = await asyncio.create_subprocess_exec(
            *entry(os.path.realpath(sys.executable), lent, "keeper"),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            env={},
            cwd="/",
            start_new_session=True,  # Ctrl-C is meant for us.
        )
    except OSError as error:
        ours.close()
        raise SandboxBroken(f"No command can be run: {error}.") from error
    finally:
        theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours)

    async def end() -> None:
        writer.close()
        for kill in (lambda: _kill_children(process.pid), process.kill):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await process.wait()
                return
            kill()
        await process.wait()

    return Channel(reader, writer, end)
