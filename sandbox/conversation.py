"""The host's side of one supervisor's life: jobs are ordered, and what comes back is checked.

Whatever the supervisor says is bounded and judged: a frame that it cannot have meant, or an end of
the channel, ends the conversation, and every job that ran in it has an unknown outcome.
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

from sandbox.job import Job
from sandbox.launch import Channel, Launch
from sandbox.lent import frames
from sandbox.lent.frames import BadFrame, Decoder, Order, frame
from sandbox.lent.settings import pack
from sandbox.sandbox import SandboxBroken

_START = 20.0
"""Seconds until a supervisor must be ready."""
_GRACE = 2.0
"""Seconds that a killed command may take to end."""
_WINDOW = 2**18
"""Bytes of input that wait inside for a command to read them."""
_PIECE = 2**16

T = TypeVar("T")


async def finished(work: Awaitable[T]) -> T:
    """The result of what has to come to its end; a cancellation waits until then."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:  # noqa: BLE001, S110 - raised below, from the task itself
            pass
    if cancelled:
        task.exception()
        raise asyncio.CancelledError
    return task.result()


class Conversation:
    """What is said over one channel."""

    def __init__(self, channel: Channel) -> None:
        """Begin to listen."""
        self.channel = channel
        self.broken = ""
        """Why nothing can be said any more."""
        self._ready = asyncio.Event()
        self._jobs: dict[int, Job] = {}
        self._last = 0
        self._ending: asyncio.Future[None] | None = None
        self._listening = asyncio.create_task(self._listen())

    @staticmethod
    async def begin(launch: Launch) -> "Conversation":
        """Start a supervisor and wait until it is ready.

        Raises:
            SandboxBroken: it did not start.
        """
        try:
            conversation = Conversation(await launch.start())
        except OSError as error:  # No more files, processes or memory.
            raise SandboxBroken(f"The sandbox did not start: {error}.") from error
        reason = f"it was not ready within {_START:.0f} s"
        try:
            conversation._say(frames.SETTINGS, 0, pack(dict(launch.settings)))
            async with asyncio.timeout(_START):
                await conversation._ready.wait()
            if not conversation.broken:
                return conversation
            reason = "its supervisor ended at once"
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            await finished(conversation.end(""))
            raise
        complaint = conversation.channel.complaint() or reason
        await finished(conversation.end(""))
        raise SandboxBroken(f"The sandbox did not start: {complaint.rstrip('.')}.")

    def order(self, order: Order) -> Job:
        """Have a command started.

        Raises:
            SandboxBroken: the supervisor is gone.
        """
        if self.broken:
            raise SandboxBroken(self.broken)
        self._last += 1
        job = Job(self._last, order.output_bytes)
        self._jobs[job.number] = job
        self._say(frames.START, job.number, order.pack())
        return job

    async def give(self, job: Job, data: bytes, *, last: bool = False) -> None:
        """Give a command input, no faster than it reads. `last`: there is no more."""
        for at in range(0, len(data), _PIECE):
            while job.inside >= _WINDOW and not job.over:
                await job.change()
            if job.over:
                return
            piece = data[at : at + _PIECE]
            job.inside += len(piece)
            self._say(frames.INPUT, job.number, piece)
        if last:
            self._say(frames.INPUT, job.number)

    def ask(self, job: Job) -> None:
        """Ask for a kept job's output, once."""
        if not job.asked and not job.over:
            job.asked = True
            self._say(frames.READ, job.number)

    def interrupt(self, job: Job) -> None:
        """Send it SIGINT."""
        self._say(frames.INTERRUPT, job.number)

    def stop(self, job: Job) -> None:
        """Have it killed, and do not wait."""
        self._say(frames.KILL, job.number)

    async def kill(self, job: Job) -> None:
        """Kill a command and wait until all of it is gone, with the whole sandbox if need be."""
        self.stop(job)
        try:
            async with asyncio.timeout(_GRACE):
                await job.ended()
        except TimeoutError:
            await self.end("The sandbox did not kill a command in time.")
        except SandboxBroken:
            await self.end("")

    async def end(self, reason: str) -> None:
        """Kill everything and wait until it is gone. Safe to call twice."""
        self._lose(reason)
        self._listening.cancel()
        if self._ending is None:
            self._ending = asyncio.ensure_future(self.channel.end())
        await finished(self._ending)

    def _say(self, kind: int, job: int, payload: bytes = b"") -> None:
        if not self.broken:
            self.channel.writer.write(frame(kind, job, payload))

    async def _listen(self) -> None:
        decoder, reason = Decoder(), ""
        try:
            while data := await self.channel.reader.read(2**18):
                for kind, number, payload in decoder.feed(data):
                    self._hear(kind, number, payload)
            said = self.channel.complaint()
            reason = f"The sandbox ended by itself{said and ': '}{said}."
        except BadFrame as error:
            reason = f"The sandbox said what makes no sense: {error}."
        except OSError as error:
            reason = f"The sandbox cannot be reached: {error}."
        finally:
            self._lose(reason)

    def _hear(self, kind: int, number: int, payload: bytes) -> None:
        if kind == frames.READY and number == 0:
            self._ready.set()
            return
        job = self._jobs.get(number)
        if job is None:
            raise BadFrame("news of a job that nobody ordered")
        job.take(kind, payload)
        if job.over:
            del self._jobs[number]

    def _lose(self, reason: str) -> None:
        """Nothing will be heard any more. The supervisor ends when its channel does."""
        self.broken = self.broken or reason or "The sandbox has ended."
        with contextlib.suppress(RuntimeError):  # The event loop may be gone already.
            self.channel.writer.close()
        for job in self._jobs.values():
            job.lose(self.broken)
        self._jobs.clear()
        self._ready.set()
