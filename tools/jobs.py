"""Commands that run in the background, beside whatever else is done."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from sandbox.lent.output import Capped
from sandbox.sandbox import Process, SandboxBroken
from tools.call import ToolError
from tools.clip import LIMIT, Clipped
from tools.shell import NOTES, checked, ending
from tools.terminal import ShellState
from tools.tool import Context, tool

_MOST = 8
"""Jobs that run at the same time."""
_MOST_SECONDS = 600
_GLANCE = 0.5
"""Seconds in which a command that cannot work at all has mostly ended."""


@tool("run")
async def start_job(context: Context, command: str) -> str:
    """Start a shell command that goes on running, such as a server or a long build.

    It begins in the folder and with the variables of shell.

    Args:
        context: The workspace.
        command: For bash.
    """
    checked(command)
    jobs = context.memory.of(Jobs)
    jobs.make_room()
    line = context.memory.of(ShellState).wrapped(command, keeps=False)
    number = jobs.add(await context.sandbox.start(line))
    await jobs.job(number).wait(_GLANCE)
    return f"Started job {number}; read_job shows its output.\n{jobs.job(number).news(number)}"


@tool("read")
async def read_job(context: Context, job: int, seconds: int = 0) -> str:
    """Show what a background job wrote since the last call, and whether it still runs.

    Args:
        context: The workspace.
        job: Its number, from start_job.
        seconds: How long to wait for its end, if it still runs.
    """
    if not 0 <= seconds <= _MOST_SECONDS:
        raise ToolError(f"seconds must be between 0 and {_MOST_SECONDS}.")
    kept = context.memory.of(Jobs).job(job)
    await kept.wait(seconds)
    return kept.news(job)


@tool("read")
async def stop_job(context: Context, job: int) -> str:
    """End a background job and everything that it started.

    Args:
        context: The workspace.
        job: Its number, from start_job.
    """
    kept = context.memory.of(Jobs).job(job)
    await kept.close()
    return kept.news(job)


@dataclass
class Jobs:
    """Those of one conversation, by number from 1."""

    _jobs: "dict[int, _Job]" = field(default_factory=dict[int, "_Job"])

    def make_room(self) -> None:
        """Check that one more may run.

        Raises:
            ToolError: too many run.
        """
        running = [str(number) for number, job in self._jobs.items() if not job.ended]
        if len(running) >= _MOST:
            raise ToolError(f"{_MOST} jobs run already: {', '.join(running)}; stop one of them.")

    def add(self, process: Process) -> int:
        """Take a process that has just started, and return its number."""
        number = len(self._jobs) + 1
        self._jobs[number] = _Job(process)
        return number

    def job(self, number: int) -> "_Job":
        """The job of a number.

        Raises:
            ToolError: there is none.
        """
        if number not in self._jobs:
            known = ", ".join(map(str, self._jobs)) or "none"
            raise ToolError(f"There is no job {number}. There are: {known}.")
        return self._jobs[number]

    async def close(self) -> None:
        """End all."""
        for job in self._jobs.values():
            await job.close()
        self._jobs.clear()


class _Job:
    """A process, and what it wrote that was not shown yet."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._output = Capped(LIMIT - NOTES)
        self._how = ""
        self._reading = asyncio.ensure_future(self._read())

    @property
    def ended(self) -> bool:
        return self._reading.done()

    async def wait(self, seconds: float) -> None:
        """Until it has ended, but not for longer."""
        await asyncio.wait([self._reading], timeout=seconds)

    def news(self, number: int) -> str:
        """What is new, for the model."""
        output, self._output = self._output, Capped(LIMIT - NOTES)
        state = f"has ended: {self._how}" if self.ended else "is running"
        text = f"Job {number} {state}.\n{output.text() or '[no new output]'}"
        # Only what was not shown yet is kept, and not all of that.
        return Clipped(text) if output.cut else text

    async def close(self) -> None:
        with contextlib.suppress(SandboxBroken):
            await self._process.kill()
        await self._reading

    async def _read(self) -> None:
        try:
            while data := await self._process.read():
                self._output.feed(data)
            self._how = ending(await self._process.wait(), 0)
        except SandboxBroken as error:
            self._how = f"lost with its sandbox ({error})"
