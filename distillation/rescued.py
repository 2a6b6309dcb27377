"""A student whose teacher takes over where its first repair fails: what its failures can teach.

The teacher drives to the end, from the very state into which the student came (as S. Ross et al.,
"A reduction of imitation learning to no-regret online learning", 2011). What it does is trained;
the student's repair, and all up to the teacher's first answer, is not.
"""

from collections.abc import AsyncIterator, Sequence

from agent.message import Message, calls
from agent.model import Author, Event, Model
from agent.stall import failed
from distillation.failure import WRITING
from tools.schema import ToolSchema


class Rescued:
    """Serves one episode. A repair failed if a command that ran after it ended with an error."""

    def __init__(self, student: Model, teacher: Model) -> None:
        """`teacher` must be able to go on with any history of the task."""
        self.name = student.name
        self._student, self._teacher = student, teacher
        self._taken = False

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer, by the student or the teacher."""
        bad = None if self._taken else failed_repair(messages)
        if bad is None and not self._taken:
            async for event in self._student.stream(messages, tools):
                yield event
            return
        self._taken = True
        yield Author(self._teacher.name, bad)
        async for event in self._teacher.stream(messages, tools):
            yield event


def failed_repair(messages: Sequence[Message]) -> Message | None:
    """The last answer that changed a file, if the last message tells of a failure after it."""
    last = messages[-1]
    if last["role"] != "tool" or last.get("name") != "shell":
        return None
    wrote = (m for m in reversed(messages) if any(c.name in WRITING for c in calls(m)))
    return next(wrote, None) if failed(last["content"]) else None
