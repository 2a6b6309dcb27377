"""The first request of a process, sent while what runs the agent is still being loaded."""

import asyncio
import importlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from agent.message import Message
from agent.model import Event, Model
from tools.schema import ToolSchema

_HEAD_START = 0.1
"""Seconds that a request has to itself; on one core, loading would only delay it."""


@asynccontextmanager
async def ready(
    model: Model, messages: Sequence[Message], tools: Sequence[ToolSchema]
) -> AsyncGenerator[Model]:
    """`model`, once the graph is loaded; LangGraph takes a second for that.

    The first question of a new conversation is put to it meanwhile. One that goes on may have to
    be made shorter first.
    """
    if "agent.graph" in sys.modules or any(said["role"] == "assistant" for said in messages):
        await asyncio.to_thread(importlib.import_module, "agent.graph")
        yield model
        return
    early = Ahead(model, messages, tools)
    try:
        await early.started(_HEAD_START)
        await asyncio.to_thread(importlib.import_module, "agent.graph")
        yield early
    finally:
        await early.close()


class Ahead:
    """A model that was asked before anybody reads its answer.

    Whoever then asks the same is given that answer, its errors included; another question is asked
    as ever, and the early answer is dropped.
    """

    def __init__(
        self, model: Model, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> None:
        """Ask `model` now; needs a running event loop."""
        self.name = model.name
        self.inner = model
        self._asked = (list(messages), list(tools))
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._started = asyncio.Event()
        self._asking: asyncio.Task[None] | None = asyncio.create_task(self._ask())

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer the conversation.

        Raises:
            ModelError: from the model, and whatever else it raises.
        """
        if self._asking is None or (list(messages), tools) != self._asked:
            await self.close()
            async for event in self.inner.stream(messages, tools):
                yield event
            return
        try:
            while (event := await self._events.get()) is not None:
                yield event
            asking, self._asking = self._asking, None
            # It has ended; only its exception is left.
            await asking
        finally:
            await self.close()

    async def started(self, timeout: float) -> None:
        """Wait for the first that comes back, at most `timeout` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._started.wait(), timeout)

    async def close(self) -> None:
        """Drop an answer that nobody has read."""
        asking, self._asking = self._asking, None
        if asking:
            asking.cancel()
            await asyncio.wait([asking])
            # Looked at, so that asyncio does not complain that nobody did.
            if not asking.cancelled():
                asking.exception()

    async def _ask(self) -> None:
        try:
            async for event in self.inner.stream(*self._asked):
                self._events.put_nowait(event)
                self._started.set()
        finally:
            self._events.put_nowait(None)
            self._started.set()
