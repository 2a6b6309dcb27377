"""The bubblewrap backend: one short-lived sandbox a command.

Holds: no network, no files but the system (read-only) and the workspace, no environment but what
is given, namespaces of its own, no capabilities, limits on time, memory, processes, output and
file size, and a filter of system calls. Does not hold: the size of the workspace is not limited,
and started as root the commands are root to the kernel (no capabilities, mapped to uid 1000).
"""

import asyncio
import itertools
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sandbox import mounts
from sandbox.cgroup import Cgroup, Controllers
from sandbox.completed import Completed
from sandbox.interpreter import Interpreter
from sandbox.limits import Limits
from sandbox.process import PID_1, Ended, Job, run_process
from sandbox.protected import forget_common_directory
from sandbox.sandbox import Process, SandboxBroken
from sandbox.seccomp import program


@dataclass
class Bubblewrap:
    """Runs commands with `bwrap`; nothing is held open between them."""

    root: Path
    interpreter: Interpreter
    limits: Limits
    program: str
    """Path of `bwrap`."""
    controllers: Controllers
    ripgrep: Path | None = None
    readonly: tuple[Path, ...] = ()
    name: str = "bubblewrap"
    workdir: str = mounts.WORKDIR
    python: str = field(init=False, default="")
    _system: tuple[str, ...] = field(init=False, default=())
    _running: set[asyncio.Future[Ended]] = field(init=False, default_factory=lambda: set())
    _closed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """What never changes between commands is put together once."""
        self.python = self.interpreter.python
        self._system = (
            *mounts.system(),
            *mounts.programs(self.ripgrep),
            *self.interpreter.mounts,
            *mounts.workspace(self.root, self.readonly),
            *("--remount-ro", "/", "--chdir", self.workdir, "--clearenv"),
        )

    def command_line(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        limits: Limits,
        status: int | None = None,
        rules: int | None = None,
    ) -> list[str]:
        """The whole command line; `status` and `rules` are descriptors, of reports and filter."""
        report = [] if status is None else ["--json-status-fd", str(status)]
        report += [] if rules is None else ["--seccomp", str(rules)]
        settings = itertools.chain.from_iterable(
            ("--setenv", name, value) for name, value in {**self._environment(), **env}.items()
        )
        return [
            self.program, *self._system, *settings, *report, "--", *PID_1,
            *self._rlimits(limits), *command,
        ]  # fmt: skip

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
        """Run one command to its end; see `sandbox.sandbox.Sandbox.run`.

        Raises:
            SandboxBroken: bubblewrap did not get as far as starting the command.
        """
        limits = replace(
            self.limits,
            seconds=seconds or self.limits.seconds,
            output_bytes=output_bytes or self.limits.output_bytes,
        )
        if merged:
            command = ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *command)
        group = self.controllers.group(limits)
        job = Job(
            partial(self.command_line, command, env or {}, limits),
            program(),
            stdin,
            limits.seconds,
            limits.output_bytes,
            group.join if group else lambda pid: None,
        )
        task = asyncio.ensure_future(run_process(job))
        self._running.add(task)
        try:
            return _completed(await task, group, limits)
        except asyncio.CancelledError:
            if self._closed:
                raise SandboxBroken("The sandbox was closed while a command ran.") from None
            raise
        finally:
            self._running.discard(task)
            forget_common_directory(self.root)
            if group:
                await group.remove()

    async def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> Process:
        """Not offered by this backend yet."""
        raise SandboxBroken(f"Cannot start {command[0]} beside other commands here.")

    async def close(self) -> None:
        """Kill what still runs; whoever waits for it gets SandboxBroken. Safe to call twice."""
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _environment(self) -> dict[str, str]:
        """What every command finds in its environment."""
        return {
            "PATH": f"{self.interpreter.folder}:/opt/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": mounts.HOME,
            "USER": "sandbox",
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",  # noqa: S108
            "TERM": "dumb",
            "NO_COLOR": "1",
            # The same code on the same input shows the same output, and leaves no caches behind.
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict(self.interpreter.env),
        }

    def _rlimits(self, limits: Limits) -> list[str]:
        """`prlimit` becomes the command after setting the limits of each process."""
        size = limits.file_mb * 2**20
        line = ["prlimit", "--core=0:0", "--nofile=4096:4096", f"--fsize={size}:{size}"]
        if self.controllers.memory is None:
            memory = limits.memory_mb * 2**20
            line.append(f"--as={memory}:{memory}")
        if self.controllers.pids is None:
            line.append(f"--nproc={limits.processes}:{limits.processes}")
        return [*line, "--"]


def _completed(ended: Ended, group: Cgroup | None, limits: Limits) -> Completed:
    """Read the end of a bubblewrap process as the end of the command.

    Raises:
        SandboxBroken: nobody knows how it ended.
    """
    if ended.exit_code is None and not ended.timed_out:
        raise SandboxBroken("bubblewrap ended without a report.")
    if group is not None and group.out_of_memory:
        ended.stderr.feed(b"\n[killed: more than %d MB of memory]\n" % limits.memory_mb)
    code = ended.exit_code
    if ended.timed_out or code is None:
        code = -signal.SIGKILL
    elif code - 128 in {int(number) for number in signal.Signals}:
        code = 128 - code
    return Completed(
        code,
        ended.stdout.text(),
        ended.stderr.text(),
        ended.seconds,
        ended.timed_out,
        bool(ended.stdout.cut or ended.stderr.cut),
    )
