"""A model that plays a script: for the reference teacher, the demo and the tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from agent.message import Message
from agent.model import Event, Malformed, ModelError, Stop, Text
from tools.call import ToolCall
from tools.schema import ToolSchema

Policy = Callable[[Sequence[Message], Sequence[ToolSchema]], Iterable[Event]]
"""What to answer to a conversation; a missing `Stop` is added."""


class ScriptedModel:
    """Plays replies, or asks a policy. Keeps no state: one instance serves any number of talks."""

    def __init__(self, script: Policy | Sequence[Sequence[Event]], name: str = "scripted") -> None:
        """`script` is a policy, or the n-th reply for the n-th assistant message."""
        self.name = name
        self._policy = script if callable(script) else _played(script)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """The script's answer.

        Raises:
            ModelError: the script is at its end, or says so.
        """
        called, last = False, None
        for last in self._policy(messages, tools):
            # A real model gives way between its events too: whoever waits can cancel.
            await asyncio.sleep(0)
            called = called or isinstance(last, ToolCall | Malformed)
            yield last
        if not isinstance(last, Stop):
            yield Stop("calls" if called else "end")

    async def close(self) -> None:
        """Nothing to let go."""


def reply(text: str, *calls: ToolCall) -> tuple[Event, ...]:
    """The events of one answer."""
    return (*([Text(text)] if text else []), *calls)


def _played(replies: Sequence[Sequence[Event]]) -> Policy:
    def play(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        turn = sum(message["role"] == "assistant" for message in messages)
        if turn >= len(replies):
            raise ModelError(f"The script has {len(replies)} replies; one more was asked for.")
        return replies[turn]

    return play
