"""The seam below `Supervised`: how a backend starts the supervisor of one workspace."""

import asyncio
import compileall
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Protocol


@dataclass(frozen=True)
class Channel:
    """A supervisor that runs, and the bytes to and from it. What it says is untrusted."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    end: Callable[[], Awaitable[None]]
    """Kill it with all that it started, wait until that is gone, and give back what was made for
    it (cgroup, container, mounts). Safe to call twice."""
    out_of_memory: Callable[[], bool] = lambda: False
    """Whether the kernel has killed something for memory since the last call."""
    settle: Callable[[], None] = lambda: None
    """A command has ended: undo what it could change and must not have changed."""
    complaint: Callable[[], str] = lambda: ""
    """What the backend said about an end of its own, in a line; empty where it said nothing."""


class Launch(Protocol):
    """Starts the supervisor (`sandbox/lent/supervisor.py`) where it cannot be harmed."""

    name: str
    """Of the backend, as `Sandbox.name`."""
    workdir: str
    """The workspace's path inside."""
    python: str
    """The interpreter for the workspace's code, inside."""
    base: str
    """The interpreter that our own scripts run in, inside; never one of the workspace's."""
    lent: str
    """The folder inside where `sandbox/lent/` is, read-only; its path differs between backends but
    ends in `/sandbox/lent`, since our scripts import each other as `sandbox.lent.frames`."""
    grammars: str
    """The folder inside where tree-sitter and its grammars are, for `lent/symbols.py`."""
    environment: Mapping[str, str]
    """What every command finds in its environment."""
    settings: Mapping[str, object]
    """What the supervisor is told first; see `sandbox/lent/settings.py`. `watch_disk` is for the
    host: whether a command that takes more of the disk than `Limits.workspace_mb` is killed."""

    async def start(self) -> Channel:
        """Start a fresh supervisor; it may be called again after one has died.

        Raises:
            SandboxBroken: it did not start.
        """
        ...


def supervisor(python: str, lent: str) -> tuple[str, ...]:
    """The command line of the supervisor; `lent` is as in `Launch`.

    It reads frames from its standard input and writes them to its standard output: a socket for
    both or two pipes.
    """
    return entry(python, lent, "supervisor")


def entry(python: str, lent: str, script: str) -> tuple[str, ...]:
    """The command line of a script of ours; imported instead of run, it is compiled once."""
    _compile()
    package = str(PurePosixPath(lent).parents[1])
    path = f"import sys; sys.path.insert(0, {package!r})"
    start = f"{path}; from sandbox.lent.{script} import main; main()"
    return (python, "-I", "-S", "-B", "-c", start)


@cache
def _compile() -> None:
    """Compile what runs inside, as an installation does: inside nothing can be written.

    A checkout that was never imported, or is not to be littered with caches, would cost every
    start of a sandbox 8 ms.
    """
    compileall.compile_dir(Path(__file__).parent / "lent", maxlevels=0, quiet=2)
