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


class Sandbox(Protocol):
    """Runs commands that see one workspace, read-write, and nothing else they could harm."""

    name: str
    """Of the backend, as shown by `assistant doctor`."""
    root: Path
    """The workspace on the host. Commands see it as `workdir`."""
    workdir: str
    """The path of the workspace inside the sandbox; commands start there."""
    limits: Limits
    """What a command gets unless its run says otherwise."""
    python: str
    """The interpreter for the workspace's code, as a path inside the sandbox."""

    async def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> Completed:
        """Run one command to its end and return what is known of it.

        `env` is added to a small fixed environment; nothing is inherited. Cancelling the
        task kills the command and everything it started.

        Raises:
            SandboxBroken: the sandbox itself failed.
        """
        ...

    async def close(self) -> None:
        """End whatever still runs. Safe to call twice."""
        ...
