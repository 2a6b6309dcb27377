"""How many requests a provider gets at a time: fewer where it says that there are too many."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from agent.message import Message
from agent.model import Event, Model, Retry, Stop
from tools.schema import ToolSchema


class Limiter:
    """Places for requests to one provider, shared by all that ask it. Not for several processes.

    Additive increase, multiplicative decrease, as TCP does it: a complaint halves the places, a
    round of successes (as many as there are places) adds one.
    """

    def __init__(self, most: int) -> None:
        """`most`: places at the beginning, and never more."""
        self.most = most
        self.under_way = 0
        self.allowed = float(most)
        self._round = 0
        self._waiting = deque[asyncio.Future[None]]()

    async def enter(self) -> int:
        """Take a place, in the order in which they are asked for; a number for `overloaded`."""
        if self._waiting or self._full:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                with suppress(ValueError):
                    self._waiting.remove(place)
                if not place.cancelled():
                    # The place was ours already.
                    self.leave()
                raise
        else:
            self.under_way += 1
        return self._round

    def leave(self) -> None:
        """Give the place back."""
        self.under_way -= 1
        self._admit()

    def succeeded(self) -> None:
        """A request was answered."""
        self.allowed = min(self.most, self.allowed + 1 / self.allowed)
        self._admit()

    def overloaded(self, entered: int) -> None:
        """A request was refused as one too many.

        Requests that fail together are one complaint: those that entered before the last halving
        (`entered` is what `enter` gave them) halve nothing.
        """
        if entered == self._round:
            self._round += 1
            self.allowed = max(1.0, self.allowed / 2)

    @property
    def _full(self) -> bool:
        return self.under_way >= int(self.allowed)

    def _admit(self) -> None:
        while self._waiting and not self._full:
            place = self._waiting.popleft()
            if not place.done():
                self.under_way += 1
                place.set_result(None)


class Throttled:
    """A model that waits for a place at its provider, for every try of a request anew."""

    def __init__(self, model: Model, limiter: Limiter) -> None:
        """`limiter` is the one of the model's provider."""
        self.name = model.name
        self.inner = model
        self._limiter = limiter

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer, once there is a place.

        Raises:
            ModelError: from the model.
        """
        limiter = self._limiter
        entered = await limiter.enter()
        held = True
        try:
            async for event in self.inner.stream(messages, tools):
                if isinstance(event, Stop):
                    limiter.succeeded()
                yield event
                if isinstance(event, Retry):
                    if event.overloaded:
                        limiter.overloaded(entered)
                    # What waits needs no place; the next try has to queue for one.
                    limiter.leave()
                    held = False
                    await asyncio.sleep(event.seconds)
                    entered = await limiter.enter()
                    held = True
        finally:
            if held:
                limiter.leave()
