"""The sandbox of every backend: commands run by a supervisor that lives as long as the workspace.

Backends differ in how they start it; here is what is the same for all. The host trusts nothing
that comes from inside: it has its own clock, and a supervisor that misbehaves is ended with
everything in it.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from sandbox.completed import Completed
from sandbox.conversation import Conversation, finished
from sandbox.disk import filled
from sandbox.job import End, Job
from sandbox.launch import Launch
from sandbox.lent.frames import KEPT, LONGEST, MERGED, WITH_INPUT, Order
from sandbox.limits import Limits
from sandbox.sandbox import Process, SandboxBroken
from sandbox.started import Started

_CLOSED = "The sandbox was closed."
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""Ends of a command that was killed, and of a shell whose last command was."""
_TOO_LARGE = (-signal.SIGXFSZ, 128 + signal.SIGXFSZ)


class Supervised:
    """A `Sandbox` on top of any `Launch`; the supervisor starts with the first command."""

    def __init__(
        self,
        root: Path,
        launch: Launch,
        limits: Limits,
        refusals: Callable[[], tuple[str, ...]] = lambda: (),
        tidy: Callable[[bool], None] = lambda last: None,
    ) -> None:
        """`refusals`: the connections that were refused since it was called last.

        `tidy` takes out of the workspace what must not stay there: at once after a command, and
        thoroughly in a thread at the end.
        """
        self.root = root
        self.limits = limits
        self.name = launch.name
        self.workdir = launch.workdir
        self.python = launch.python
        self.base = launch.base
        self.lent = launch.lent
        self.programs = _programs(launch)
        self.grammars = launch.grammars
        self._launch = launch
        self._refusals = refusals
        self._tidy = tidy
        self._conversation: asyncio.Task[Conversation] | None = None
        self._closed = False

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
            SandboxBroken: the sandbox died twice, or was closed.
        """
        flags = MERGED * merged | WITH_INPUT * bool(stdin)
        order, refusal = self._order(command, env, output_bytes, flags)
        if order is None:
            return Completed(126, "", refusal, 0.0)
        seconds = self.limits.seconds if seconds is None else seconds
        try:
            return await self._run(order, stdin, seconds)
        except SandboxBroken:
            if self._closed:
                raise
        return await self._run(order, stdin, seconds)

    async def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a command beside others; see `sandbox.sandbox.Sandbox.start`.

        Raises:
            SandboxBroken: no supervisor could be started, or the sandbox was closed.
        """
        order, refusal = self._order(command, env, None, MERGED | KEPT | WITH_INPUT)
        if order is None:
            raise SandboxBroken(refusal)
        conversation = await self._talk()
        job = conversation.order(order)
        self._watch_disk(conversation, job)
        return Started(conversation, job, self._completed)

    async def close(self) -> None:
        """End whatever still runs; whoever waits for it gets SandboxBroken. Safe to call twice."""
        self._closed = True
        if self._conversation is not None:
            await finished(self._close(self._conversation))

    async def _close(self, starting: asyncio.Task[Conversation]) -> None:
        conversation = None
        # Whoever waited for one that did not start was told why.
        with contextlib.suppress(Exception, asyncio.CancelledError):
            conversation = await starting
        try:
            if conversation:
                await conversation.end(_CLOSED)
        finally:
            await asyncio.to_thread(self._tidy, True)

    def _order(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None,
        output_bytes: int | None,
        flags: int,
    ) -> tuple[Order | None, str]:
        """The order; none, and a sentence, where no program could be given such arguments."""
        try:
            argv = [os.fsencode(argument) for argument in command]
            variables = {**self._launch.environment, **(env or {})}
            names = {os.fsencode(k): os.fsencode(v) for k, v in variables.items()}
        except UnicodeEncodeError as error:
            return None, f"Cannot run the command: an argument is no text ({error.reason}).\n"
        kept = self.limits.output_bytes if output_bytes is None else output_bytes
        order = Order(argv, names, os.fsencode(self.workdir), kept, flags)
        if not argv:
            return None, "Cannot run the command: it is empty.\n"
        parts = (*argv, *names, *names.values())
        if any(b"\0" in part for part in parts):
            return None, "Cannot run the command: an argument holds a NUL.\n"
        if sum(len(part) + 1 for part in parts) > LONGEST // 2 or len(argv) >= 2**16:
            return None, "Cannot run the command: its arguments are too long.\n"
        return order, ""

    async def _talk(self) -> Conversation:
        """The supervisor that runs, or a fresh one.

        Its start belongs to nobody: who is cancelled meanwhile leaves it to the next command.

        Raises:
            SandboxBroken: it did not start, or the sandbox was closed.
        """
        if self._closed:
            raise SandboxBroken(_CLOSED)
        starting = self._conversation
        if starting is None or _spent(starting):
            starting = asyncio.ensure_future(self._begin(starting))
            self._conversation = starting
        return await asyncio.shield(starting)

    async def _begin(self, last: asyncio.Task[Conversation] | None) -> Conversation:
        """A fresh supervisor, once nothing is left of the last one."""
        if last and not last.cancelled() and not last.exception():
            await last.result().end("")
        return await Conversation.begin(self._launch)

    async def _run(self, order: Order, stdin: bytes, seconds: float) -> Completed:
        """Once, on the supervisor that runs."""
        conversation = await self._talk()
        job = conversation.order(order)
        if stdin:
            job.help_by(conversation.give(job, stdin, last=True))
        self._watch_disk(conversation, job)
        timed_out = False
        try:
            async with asyncio.timeout(seconds):
                await job.ended()
        except TimeoutError:
            timed_out = True
            await finished(conversation.kill(job))
        except asyncio.CancelledError:
            await finished(conversation.kill(job))
            self._settle(conversation)
            raise
        completed = self._completed(conversation, job, timed_out)
        if job.end and job.end.left:
            await finished(conversation.end("What a command left running could not be killed."))
        return completed

    def _settle(self, conversation: Conversation) -> None:
        conversation.channel.settle()
        self._tidy(False)

    def _watch_disk(self, conversation: Conversation, job: Job) -> None:
        if self._launch.settings.get("watch_disk"):
            job.help_by(self._stop_when_full(conversation, job))

    async def _stop_when_full(self, conversation: Conversation, job: Job) -> None:
        with contextlib.suppress(OSError):  # The workspace is gone; that is not its size.
            job.killed = await filled(self.root, self.limits)
            conversation.stop(job)

    def _completed(
        self, conversation: Conversation, job: Job, timed_out: bool = False
    ) -> Completed:
        """What the host knows of a job that is over."""
        self._settle(conversation)
        end = job.end or End(-signal.SIGKILL)
        memory = conversation.channel.out_of_memory()
        too_much = f"more than {self.limits.memory_mb} MB of memory"
        killed = job.killed
        if end.over_memory or (memory and end.exit_code in _KILLED):
            killed = too_much
        elif end.exit_code in _TOO_LARGE:
            killed = f"a file of more than {self.limits.file_mb} MB"
        note = f"\n[a process was killed: {too_much}]\n" if memory and not killed else ""
        return Completed(
            end.exit_code,
            job.out.decode(errors="replace"),
            job.err.decode(errors="replace") + note,
            job.seconds,
            timed_out,
            end.cut,
            end.peak_mb,
            killed,
            self._refusals(),
        )


def _spent(conversation: asyncio.Task[Conversation]) -> bool:
    """Whether a fresh one is needed."""
    if not conversation.done():
        return False
    failed = conversation.cancelled() or conversation.exception() is not None
    return failed or bool(conversation.result().broken)


def _programs(launch: Launch) -> str:
    """PATH without the folder of an interpreter that the workspace brings."""
    path, own = launch.environment.get("PATH", ""), str(PurePosixPath(launch.python).parent)
    if not PurePosixPath(own).is_relative_to(launch.workdir):
        return path
    return ":".join(folder for folder in path.split(":") if folder != own)
