"""The warden as its parent sees it: started on first use, asked by short synchronous requests."""

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import cast

from sandbox.sandbox import SandboxBroken
from sandbox.warden import wire

_PATIENCE = 20.0
"""Seconds that one request may take."""
_LINE = (
    "import sys; sys.path.append(sys.argv.pop(1)); from sandbox.warden.serve import main; main()"
)


class Denied(Exception):
    """The warden could not do it; the text says why."""


class Warden:
    """One warden process; a new one is started where the last has died."""

    def __init__(self, *, private: bool = True) -> None:
        """Nothing is started yet; without `private` it makes no mounts, as where it may not."""
        self.private = private
        self.generation = 0
        """How many wardens there have been; what an earlier one held is gone."""
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._said: int | None = None
        self._number = 0

    def ask(
        self, request: str, *arguments: wire.Value, given: tuple[int, ...] = ()
    ) -> tuple[wire.Value, list[int]]:
        """The answer to a request (see `sandbox.warden.serve.Warden`) and its descriptors.

        Raises:
            Denied: it could not be done.
            SandboxBroken: the warden has died, or does not answer.
        """
        with self._lock:
            if self._socket is None:
                self._start()
            try:
                said, value, descriptors = self._exchange(request, arguments, given)
            except (OSError, EOFError) as error:
                raise SandboxBroken(
                    f"The sandbox's warden has died: {self._stop(error)}."
                ) from error
        if said:
            wire.close(descriptors)
            raise Denied(said)
        return value, descriptors

    def _exchange(
        self, request: str, arguments: tuple[wire.Value, ...], given: tuple[int, ...]
    ) -> tuple[str, wire.Value, list[int]]:
        assert self._socket  # noqa: S101 - just started
        self._number += 1
        wire.send(self._socket, (self._number, request, arguments), given)
        while True:
            answer, descriptors = wire.receive(self._socket)
            number, said, value = cast("tuple[int, str, wire.Value]", answer)
            if number == self._number:
                return said, value, descriptors
            # Somebody was interrupted while they waited for this one.
            wire.close(descriptors)

    def _start(self) -> None:
        """Start a process of our own interpreter that knows nothing of us but a socket."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE)
        self._said = os.memfd_create("warden")
        python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
        package = str(Path(__file__).parents[2])
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(str(python) if python.exists() else sys.executable, "-I", "-S", "-c", _LINE),
                    *(package, str(theirs.fileno()), str(os.getpid())),
                    *(("private",) if self.private else ()),
                ],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._socket = ours
        self.generation += 1

    def _stop(self, error: BaseException) -> str:
        """Let go of what has died; its last words."""
        said = ""
        if self._said is not None:
            said = os.pread(self._said, 2**16, 0).decode(errors="replace").strip()
        self.close(kill=True)
        return said.splitlines()[-1] if said else str(error) or type(error).__name__

    def close(self, *, kill: bool = False) -> None:
        """End it, and with it all that it has started; waits until that is gone."""
        if self._socket is None or self._process is None:
            return
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if kill else _PATIENCE)
        self._process.kill()
        self._process.wait()
        if self._said is not None:
            os.close(self._said)
        self._socket = self._process = self._said = None

    def abandon(self) -> None:
        """In a forked child: the warden is the parent's."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._lock = threading.Lock()


@cache
def warden() -> Warden:
    """The one of this process."""
    one = Warden()
    atexit.register(one.close)
    os.register_at_fork(after_in_child=one.abandon)
    return one


def guard(kind: str, what: str | tuple[str, ...]) -> None:
    """Have something removed when this process ends, however it ends; see `warden.guard.KINDS`.

    Raises:
        SandboxBroken: the warden has died.
    """
    warden().ask("guard", kind, what)


def forget(kind: str, what: str | tuple[str, ...]) -> None:
    """It was removed: nothing is left to guard.

    Raises:
        SandboxBroken: the warden has died.
    """
    warden().ask("forget", kind, what)
