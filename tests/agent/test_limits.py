"""Limits end a turn before the request that would go over them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from agent.limits import Budget, Budgeted, EpisodeLimits, Limited, LimitReached
from agent.message import Message, assistant, user
from agent.model import Event, Malformed, Model, Stop, Usage
from tools.call import ToolCall
from tools.schema import ToolSchema


class Always:
    """Answers every request with the same events."""

    name = "always"

    def __init__(self, *events: Event) -> None:
        self.events = events
        self.asked = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        self.asked += 1
        for event in (*self.events, Stop("end")):
            yield event


async def drain(model: Model, messages: Sequence[Message] = ()) -> None:
    async for _ in model.stream(messages, []):
        pass


@pytest.mark.parametrize(
    ("limits", "events", "reason", "requests"),
    [
        (EpisodeLimits(steps=3), (), "steps", 3),
        (EpisodeLimits(tokens=25), (Usage(9, 1),), "tokens", 3),
        (EpisodeLimits(cost=0.02), (Usage(cost=0.01),), "cost", 2),
        (EpisodeLimits(cost=0.02), (Usage(cost=None),), "cost, no price known", 1),
        (EpisodeLimits(seconds=0.0), (), "seconds", 0),
        (EpisodeLimits(repeats=2), (Malformed("{", "cut"),), "unreadable calls", 2),
    ],
)
async def test_each_limit(
    limits: EpisodeLimits, events: tuple[Event, ...], reason: str, requests: int
) -> None:
    inner = Always(*events)
    model = Limited(inner, limits)
    for _ in range(requests):
        await drain(model)
    with pytest.raises(LimitReached, match=f"limit: {reason}"):
        await drain(model)
    assert inner.asked == requests


async def test_time_in_which_the_user_decides_does_not_count() -> None:
    model = Limited(Always(), EpisodeLimits(seconds=0.2))
    with model.untimed():
        await asyncio.sleep(0.3)
    await drain(model)
    await asyncio.sleep(0.3)
    with pytest.raises(LimitReached, match="limit: seconds"):
        await drain(model)


async def test_the_same_call_three_times_running_is_a_loop() -> None:
    same = [assistant("", [ToolCall(f"c{n}", "read_file", {"path": "a"})]) for n in range(3)]
    model = Limited(Always(), EpisodeLimits(repeats=3))
    await drain(model, [user("x")])
    await drain(model, [user("x"), *same[:2]])
    await drain(model, [user("x"), *same[:2], assistant("", [ToolCall("c", "shell", {})])])
    with pytest.raises(LimitReached, match="repeated calls"):
        await drain(model, [user("x"), *same])


async def test_a_loop_of_an_earlier_turn_does_not_end_the_next_one() -> None:
    same = [assistant("", [ToolCall(f"c{n}", "read_file", {"path": "a"})]) for n in range(6)]
    model = Limited(Always(), EpisodeLimits(repeats=3))
    before = [user("x"), *same[:3], user("go on")]
    await drain(model, before)
    await drain(model, [*before, *same[3:5]])
    with pytest.raises(LimitReached, match="repeated calls"):
        await drain(model, [*before, *same[3:]])


async def test_a_shared_budget_is_overrun_by_no_more_than_the_requests_in_flight() -> None:
    budget = Budget(0.05)
    models = [Budgeted(Always(Usage(cost=0.02)), budget) for _ in range(2)]
    for model in (*models, models[0]):
        await drain(model)
    for model in models:
        with pytest.raises(LimitReached, match="budget"):
            await drain(model)
    assert budget.spent == pytest.approx(0.06)


async def test_a_budget_cannot_be_held_where_no_price_is_known() -> None:
    budget = Budget(5.0)
    model = Budgeted(Always(Usage(cost=None)), budget)
    await drain(model)
    with pytest.raises(LimitReached, match="no price known"):
        await drain(model)
