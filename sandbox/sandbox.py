"""The seam behind which commands run: what every sandbox offers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sandbox.completed import Completed
from sandbox.limits import Limits
from sandbox.refused import Refused


class SandboxUnavailable(Refused):
    """No working sandbox on this machine; the message says how to get one."""


class SandboxBroken(Exception):
    """The infrastructure failed, not the command: the outcome of the command is unknown."""


class Process(Protocol):
    """A command that runs until it ends or is killed, with no limit on its time."""

    async def write(self, data: bytes) -> None:
        """Give it input; what it does not read any more is dropped."""
        ...

    async def read(self) -> bytes:
        """Its next piece of output and errors, in the order written; empty once there is no more.

        Between two calls at most `Limits.output_bytes` are kept, head and tail.
        """
        ...

    async def interrupt(self) -> None:
        """Send SIGINT to its process group, as Ctrl-C does."""
        ...

    async def kill(self) -> None:
        """Kill it and everything it started. Safe to call twice."""
        ...

    async def wait(self) -> Completed:
        """Wait for its end; `stdout` holds what was never read.

        Raises:
            SandboxBroken: the sandbox ended before it.
        """
        ...


class Sandbox(Protocol):
    """Runs commands that see one workspace, read-write, and nothing else they could harm."""

    name: str
    """Of the backend, as shown by `assistant doctor`."""
    root: Path
    """The workspace on the host. Commands see it as `workdir`."""
    workdir: str
    """The path of the workspace inside the sandbox; commands start there."""
    limits: Limits
    """Of all that runs in it together; time and output are of each command."""
    python: str
    """The interpreter for the workspace's code, as a path inside the sandbox."""
    base: str
    """The interpreter that our own scripts run in, inside; never one of the workspace's."""
    lent: str
    """The folder inside where our own scripts (`sandbox/lent/`) are, read-only."""
    programs: str
    """PATH without what the workspace brings: a program found there is none of its own."""
    grammars: str
    """The folder inside where tree-sitter and its grammars are, for `lent/symbols.py`."""

    async def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        seconds: float | None = None,
        output_bytes: int | None = None,
        merged: bool = False,
    ) -> Completed:
        """Run one command to its end and return what is known of it.

        `env` is added to a small fixed environment; nothing is inherited. `seconds` and
        `output_bytes` take the place of the limits'. `merged`: errors are written where the output
        is, in their order. What the command leaves running is killed. Cancelling the task kills
        the command and everything it started.

        Raises:
            SandboxBroken: the sandbox itself failed.
        """
        ...

    async def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a command that runs beside others, until it ends or the sandbox is closed.

        Raises:
            SandboxBroken: the sandbox itself failed.
        """
        ...

    async def close(self) -> None:
        """End whatever still runs. Safe to call twice."""
        ...
