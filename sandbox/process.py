"""Running one bubblewrap process to its end: output capped while reading, nothing left behind."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from sandbox.output import Capped
from sandbox.sandbox import SandboxBroken

_GRACE = 2.0
"""Seconds that pipes and processes may take to end once everything was killed."""
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
"""Of bubblewrap itself: commands can read it in /proc/1/environ, so nothing of ours is in it."""


@dataclass(frozen=True)
class Ended:
    """How a process tree ended."""

    exit_code: int | None
    """Of the sandboxed command; None where it was never started."""
    stdout: Capped
    stderr: Capped
    seconds: float
    timed_out: bool


@dataclass
class _Status:
    """Follows bubblewrap's status pipe: first the pid of its pid 1, at last the exit code."""

    reader: int
    text: str = ""
    init: int | None = None
    """A pidfd: it becomes readable only when the whole pid namespace is gone."""
    init_gone: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> None:
        """Read what there is."""
        loop = asyncio.get_running_loop()
        try:
            data = os.read(self.reader, 4096)
        except BlockingIOError:
            return
        if not data:
            loop.remove_reader(self.reader)
        self.text += data.decode()
        pid = self._value("child-pid")
        if self.init is None and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                self.init = os.pidfd_open(pid)
                loop.add_reader(self.init, self._gone)

    def _gone(self) -> None:
        assert self.init is not None  # noqa: S101 - it is what woke us
        asyncio.get_running_loop().remove_reader(self.init)
        self.init_gone.set()

    def _value(self, key: str) -> int | None:
        for line in self.text.splitlines(keepends=True):
            if line.endswith("\n"):
                value = cast("dict[str, int]", json.loads(line)).get(key)
                if value is not None:
                    return value
        return None

    @property
    def exit_code(self) -> int | None:
        """Known only where the command was started and ended by itself."""
        return self._value("exit-code")

    def kill(self) -> None:
        """Kill the pid namespace, which kills everything in it."""
        if self.init is not None and not self.init_gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.init, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the pipe and of the pidfd."""
        loop = asyncio.get_running_loop()
        for descriptor in (self.reader, self.init):
            if descriptor is not None:
                loop.remove_reader(descriptor)
                os.close(descriptor)


async def run_process(
    command: Callable[[int], Sequence[str]], *, stdin: bytes, seconds: float, output_bytes: int
) -> Ended:
    """Run bubblewrap; `command` makes its command line from the status pipe's descriptor.

    Whatever happens, and before this returns, everything that was started is dead. The process
    is spawned by the thread of the event loop: `--die-with-parent` follows the thread.

    Raises:
        SandboxBroken: it could not be started.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    status = _Status(reader)
    try:
        process = await asyncio.create_subprocess_exec(
            *command(writer),
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            pass_fds=(writer,),
        )
    except OSError as error:
        status.close()
        raise SandboxBroken(f"bubblewrap could not be started: {error}.") from error
    finally:
        os.close(writer)
    asyncio.get_running_loop().add_reader(reader, status.take)
    try:
        return await _follow(process, status, stdin, seconds, (output_bytes, output_bytes))
    finally:
        status.close()


async def _follow(
    process: asyncio.subprocess.Process,
    status: _Status,
    stdin: bytes,
    seconds: float,
    caps: tuple[int, int],
) -> Ended:
    """Wait for the process, then make sure that nothing of it is left."""
    started = time.monotonic()
    stdout, stderr = Capped(caps[0]), Capped(caps[1])
    pipes = asyncio.gather(
        _drain(process.stdout, stdout), _drain(process.stderr, stderr), _feed(process.stdin, stdin)
    )
    timed_out = False
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        elapsed = time.monotonic() - started
        status.take()
        status.kill()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await _settle(process, status, pipes)
    code = status.exit_code
    return Ended(None if code is None else process.returncode, stdout, stderr, elapsed, timed_out)


async def _settle(
    process: asyncio.subprocess.Process,
    status: _Status,
    pipes: asyncio.Future[tuple[None, None, None]],
) -> None:
    """Wait, but not for long, until the pid namespace is gone and the pipes are read to the end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
            if status.init is not None:
                await status.init_gone.wait()
            await pipes
    if not pipes.done():
        pipes.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pipes


async def _drain(stream: asyncio.StreamReader | None, into: Capped) -> None:
    """Read to the end."""
    while stream and (data := await stream.read(2**16)):
        into.feed(data)


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    """Write everything; a command that does not read is no error."""
    if stream:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stream.write(data)
            await stream.drain()
        stream.close()
