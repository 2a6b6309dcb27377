"""The limiter never lets in more than it allows, halves under complaints, and recovers."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.limiter import Limiter, Throttled
from agent.message import Message
from agent.model import Event, ModelError, Retry, Stop, Text
from tools.schema import ToolSchema

BUSY = Retry("rate limited, again in 0 s", 0.0, overloaded=True)


class Provider:
    """Refuses what is more than its capacity; counts what is under way."""

    name = "provider:model"

    def __init__(self, capacity: int, tries: int = 50) -> None:
        self.capacity = capacity
        self.tries = tries
        self.now = 0
        self.most = 0
        self.refused = 0
        self.answered = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        for _ in range(self.tries):
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                for _ in range(3):
                    await asyncio.sleep(0)
                if self.now <= self.capacity:
                    yield Text("Hi.")
                    await asyncio.sleep(0)
                    self.answered += 1
                    yield Stop("end")
                    return
            finally:
                self.now -= 1
            self.refused += 1
            yield BUSY
        raise ModelError("It is over its rate limit.")


async def drain(model: Throttled) -> None:
    async for _ in model.stream([], []):
        pass


async def test_many_conversations_settle_at_what_the_provider_bears() -> None:
    provider, limiter = Provider(capacity=3), Limiter(16)
    model = Throttled(provider, limiter)

    async def work() -> None:
        for _ in range(20):
            await drain(model)

    await asyncio.gather(*(work() for _ in range(16)))
    assert provider.answered == 320
    # Without it each of the first 16 at a time would be refused again and again.
    assert provider.refused < 200
    assert limiter.under_way == 0
    provider.capacity = 100
    for _ in range(200):
        await drain(model)
    assert limiter.allowed == 16


async def test_who_pauses_before_another_try_holds_no_place() -> None:
    limiter = Limiter(1)

    class Patient(Provider):
        async def stream(
            self, messages: Sequence[Message], tools: Sequence[ToolSchema]
        ) -> AsyncIterator[Event]:
            yield Retry("again in 60 s", 60.0, overloaded=False)
            await asyncio.sleep(60.0)

    waits = asyncio.create_task(drain(Throttled(Patient(capacity=1), limiter)))
    await asyncio.sleep(0)
    await asyncio.wait_for(drain(Throttled(Provider(capacity=1), limiter)), 5)
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    assert limiter.under_way == 0


async def test_complaints_that_come_together_are_one() -> None:
    limiter = Limiter(8)
    entered = [await limiter.enter() for _ in range(8)]
    for number in entered:
        limiter.overloaded(number)
    assert limiter.allowed == 4
    limiter.leave()
    waiting = asyncio.create_task(limiter.enter())
    await asyncio.sleep(0)
    assert not waiting.done()
    for _ in range(4):
        limiter.leave()
    limiter.overloaded(await waiting)
    assert limiter.allowed == 2


async def test_a_success_too_few_adds_nothing() -> None:
    limiter = Limiter(8)
    limiter.overloaded(await limiter.enter())
    for _ in range(4):
        assert int(limiter.allowed) == 4
        limiter.succeeded()
    limiter.succeeded()
    assert int(limiter.allowed) == 5


async def test_who_gives_up_waiting_takes_no_place() -> None:
    limiter = Limiter(1)
    await limiter.enter()
    first, second = (asyncio.create_task(limiter.enter()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    limiter.leave()
    await second
    assert limiter.under_way == 1
    # One to whom the place was given in the very moment in which it was cancelled.
    third = asyncio.create_task(limiter.enter())
    await asyncio.sleep(0)
    limiter.leave()
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    assert limiter.under_way == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9), st.lists(st.sampled_from(["enter", "leave", "fine", "busy", "quit"])))
def test_it_never_lets_in_more_than_it_allows(most: int, moves: list[str]) -> None:
    asyncio.run(play(Limiter(most), moves))


async def play(limiter: Limiter, moves: Sequence[str]) -> None:
    asked: list[asyncio.Task[int]] = []
    for name in moves:
        before = limiter.under_way
        move(name, limiter, asked)
        for _ in range(3):
            await asyncio.sleep(0)
        asked = [task for task in asked if not task.cancelled()]
        inside = sum(task.done() for task in asked)
        assert limiter.under_way == inside
        assert 1 <= limiter.allowed <= limiter.most
        # Only who is inside already may be more, after a complaint.
        assert inside <= max(int(limiter.allowed), before)
        # Nobody waits for a place that is free.
        assert len(asked) == inside or inside >= int(limiter.allowed)
    for _ in range(limiter.most**2):
        limiter.succeeded()
    assert limiter.allowed == limiter.most
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


def move(name: str, limiter: Limiter, asked: list[asyncio.Task[int]]) -> None:
    inside = [task for task in asked if task.done()]
    outside = [task for task in asked if not task.done()]
    if name == "enter":
        asked.append(asyncio.create_task(limiter.enter()))
    elif name == "fine":
        limiter.succeeded()
    elif name == "quit" and outside:
        outside[0].cancel()
    elif name == "busy" and inside:
        limiter.overloaded(inside[-1].result())
    elif name == "leave" and inside:
        asked.remove(inside[0])
        limiter.leave()
