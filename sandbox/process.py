"""Running one bubblewrap process to its end: output capped while reading, nothing left behind.

The sandbox's pid 1 is a shell that reports that it is there and waits for our word before it
starts the command. Without that a parent killed while bubblewrap sets up leaves the sandbox
running: `--die-with-parent` holds for the command only once its pid 1 has been started.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from sandbox.lent.output import Capped
from sandbox.sandbox import SandboxBroken

PID_1 = (
    "/bin/sh", "-c",
    r"""printf '\0' >&2; read -r go || exit; exec 3>&2 2>/dev/null
    (exec 2>&3 3>&-; exec "$@"); exit $?""",
    "sh",
)  # fmt: skip
"""What goes between bubblewrap and the command. Its own messages go nowhere."""
_START = 20.0
"""Seconds that bubblewrap may take to set up."""
_GRACE = 2.0
"""Seconds that pipes and processes may take to end once everything was killed."""
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
"""Of bubblewrap itself: nothing of ours is in it."""


@dataclass(frozen=True)
class Job:
    """What to run, and how far."""

    command: Callable[[int, int | None], Sequence[str]]
    """Makes bubblewrap's command line from the descriptors of its status reports and filter."""
    seccomp: bytes | None
    """The filter of system calls."""
    stdin: bytes
    seconds: float
    output_bytes: int
    join: Callable[[int], None]
    """Told the pid of the sandbox's pid 1 before the command is started."""


@dataclass(frozen=True)
class Ended:
    """How a process tree ended."""

    exit_code: int | None
    """As a shell has it: 128 plus the number of a signal. None where nobody told."""
    stdout: Capped
    stderr: Capped
    seconds: float
    timed_out: bool


@dataclass
class _Status:
    """Follows bubblewrap's reports: first the pid of its pid 1, at last the exit code.

    They go to a file in memory: a pipe whose reader was killed would end bubblewrap at a moment
    when its child waits for it, for ever.
    """

    file: int = field(default_factory=lambda: os.memfd_create("bubblewrap"))
    init: int | None = None
    """A pidfd: it becomes readable only when the whole pid namespace is gone."""
    init_gone: asyncio.Event = field(default_factory=asyncio.Event)

    def follow(self) -> int:
        """Begin to watch pid 1, once it is known to run; its number on the host."""
        pid = self._value("child-pid")
        assert pid is not None  # noqa: S101 - bubblewrap reports it before pid 1 may run
        self.init = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self.init, self._gone)
        return pid

    def _gone(self) -> None:
        assert self.init is not None  # noqa: S101 - it is what woke us
        asyncio.get_running_loop().remove_reader(self.init)
        self.init_gone.set()

    def _value(self, key: str) -> int | None:
        for line in os.pread(self.file, 2**16, 0).decode().splitlines():
            value = cast("dict[str, int]", json.loads(line)).get(key)
            if value is not None:
                return value
        return None

    @property
    def exit_code(self) -> int | None:
        """Known once the command has ended."""
        return self._value("exit-code")

    def kill(self) -> None:
        """Kill the pid namespace, which kills everything in it."""
        if self.init is not None and not self.init_gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.init, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the file and of the pidfd."""
        os.close(self.file)
        if self.init is not None:
            asyncio.get_running_loop().remove_reader(self.init)
            os.close(self.init)


async def run_process(job: Job) -> Ended:
    """Run bubblewrap with a command behind `PID_1`.

    Whatever happens, and before this returns, everything that was started is dead. The process
    is spawned by the thread of the event loop: `--die-with-parent` follows the thread.

    Raises:
        SandboxBroken: bubblewrap did not get as far as starting the command.
    """
    status, rules = _Status(), _rules(job.seccomp)
    try:
        line = job.command(status.file, rules)
        process = await _spawn(line, status, () if rules is None else (rules,))
        try:
            await _start(process, status, job.join)
            return await _follow(process, status, job)
        finally:
            await _end(process, status)
    finally:
        status.close()
        if rules is not None:
            os.close(rules)


def _rules(program: bytes | None) -> int | None:
    """A filter as a file to be read once, as bubblewrap does; its descriptor."""
    if program is None:
        return None
    file = os.memfd_create("seccomp")
    os.pwrite(file, program, 0)
    return file


async def _spawn(
    line: Sequence[str], status: _Status, files: tuple[int, ...]
) -> asyncio.subprocess.Process:
    """Start bubblewrap, to the end even if cancelled meanwhile.

    asyncio kills a process whose start is cancelled, and then waits for its pipes: but those are
    held by bubblewrap's child, which waits for bubblewrap, for ever.
    """
    spawning = asyncio.ensure_future(_exec(line, (status.file, *files)))
    try:
        return await asyncio.shield(spawning)
    except asyncio.CancelledError:
        await _end(await spawning, status)
        raise


async def _exec(line: Sequence[str], files: tuple[int, ...]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *line,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,  # Ctrl-C is meant for us.
            pass_fds=files,
        )
    except OSError as error:
        raise SandboxBroken(f"bubblewrap could not be started: {error}.") from error


async def _start(
    process: asyncio.subprocess.Process, status: _Status, join: Callable[[int], None]
) -> None:
    """Wait for the sandbox's pid 1 and send it into its limits."""
    assert process.stderr  # noqa: S101 - a pipe was asked for
    try:
        async with asyncio.timeout(_START):
            await process.stderr.readuntil(b"\0")
        join(status.follow())
    except asyncio.IncompleteReadError as error:
        reason = error.partial.decode(errors="replace").strip()[-500:] or "it ended at once"
        raise SandboxBroken(f"bubblewrap failed: {reason}") from error
    except TimeoutError as error:
        raise SandboxBroken(f"bubblewrap did not start within {_START:.0f} s.") from error
    except OSError as error:
        raise SandboxBroken(f"The sandbox could not be limited: {error}.") from error


async def _end(process: asyncio.subprocess.Process, status: _Status) -> None:
    """See to it that nothing is left.

    A bubblewrap that still sets up is not killed: its child would wait for it for ever. Told
    nothing but the end of its input, it ends by itself.
    """
    status.kill()
    if process.stdin:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _follow(process: asyncio.subprocess.Process, status: _Status, job: Job) -> Ended:
    """Let the command start, wait for its end, and read what is left in the pipes."""
    began = time.monotonic()
    stdout, stderr = Capped(job.output_bytes), Capped(job.output_bytes)
    pipes = asyncio.gather(
        _drain(process.stdout, stdout),
        _drain(process.stderr, stderr),
        _feed(process.stdin, b"\n" + job.stdin),
    )
    timed_out = False
    try:
        async with asyncio.timeout(job.seconds):
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        elapsed = time.monotonic() - began
        status.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await status.init_gone.wait()
                await asyncio.shield(pipes)
        if not pipes.done():
            pipes.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pipes
    return Ended(status.exit_code, stdout, stderr, elapsed, timed_out)


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
