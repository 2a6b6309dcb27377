"""A command that runs beside others, as whoever started it sees it."""

from collections.abc import Callable

from sandbox.completed import Completed
from sandbox.conversation import Conversation, finished
from sandbox.job import Job


class Started:
    """A `Process` of a supervisor."""

    def __init__(
        self,
        conversation: Conversation,
        job: Job,
        completed: Callable[[Conversation, Job], Completed],
    ) -> None:
        """`completed`: puts the end of a job into words."""
        self._conversation = conversation
        self._job = job
        self._completed = completed

    async def write(self, data: bytes) -> None:
        """Give it input; waits while it does not read and much is waiting already."""
        await self._conversation.give(self._job, data)

    async def read(self) -> bytes:
        """Its next piece of output and errors; empty once there is no more.

        Raises:
            SandboxBroken: the sandbox ended before it.
        """
        job = self._job
        while not job.out:
            if job.over:
                await job.ended()
                return b""
            self._conversation.ask(job)
            await job.change()
        data = bytes(job.out)
        job.out.clear()
        return data

    async def interrupt(self) -> None:
        """Send SIGINT to its process group."""
        if not self._job.over:
            self._conversation.interrupt(self._job)

    async def kill(self) -> None:
        """Kill it and everything it started; what it wrote before can still be read."""
        if not self._job.over:
            await finished(self._conversation.kill(self._job))

    async def wait(self) -> Completed:
        """Wait for its end; `stdout` holds what was not read so far, and `read` still gives it.

        Raises:
            SandboxBroken: the sandbox ended before it.
        """
        await self._job.ended()
        return self._completed(self._conversation, self._job)
