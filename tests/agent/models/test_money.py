"""Money over a real socket: broken answers are booked, caps hold, what has no price is said."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.limits import Budget, Budgeted, EpisodeLimits, Limited, LimitReached
from agent.message import user
from agent.model import Event, Model, ModelError, Text, Usage, answer
from agent.models.anthropic import AnthropicModel
from agent.models.openai import OpenAIModel
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from agent.prices import cost
from tests.servers import anthropic_server, openai_server
from tests.servers.model_server import Fault, ModelServer, Reply

PROTOCOLS = ["messages", "chat completions", "responses"]
SETTINGS = ModelSettings(first_timeout=5, timeout=5, retries=5, patience=0.01, max_tokens=1000)
LONG = [user("Be careful, then say something. " * 300)]
SAID = [Reply("All is well. " * 20)]
NAMES = {"messages": "claude-sonnet-4-5", "chat completions": "gpt-5", "responses": "gpt-5"}


@asynccontextmanager
async def served(
    protocol: str,
    faults: Mapping[int, Fault] | None = None,
    settings: ModelSettings = SETTINGS,
    prices: str = "openai",
) -> AsyncGenerator[tuple[ModelServer, Model]]:
    play = anthropic_server if protocol == "messages" else openai_server
    with ModelServer(play.events, SAID, faults) as server:
        model: AnthropicModel | OpenAIModel
        if protocol == "messages":
            name = NAMES[protocol] if prices else "claude-of-tomorrow"
            model = AnthropicModel(name, "k", settings, Endpoint(server.url))
        else:
            endpoint = Endpoint(server.url + "/v1", prices=prices)
            kind = ResponsesModel if protocol == "responses" else OpenAIModel
            model = kind(f"there:{NAMES[protocol]}", endpoint, "k", settings)
        try:
            yield server, model
        finally:
            await model.close()


def price(protocol: str, usage: Usage) -> float:
    provider = "anthropic" if protocol == "messages" else "openai"
    found = cost(NAMES[protocol], usage, provider=provider)
    assert found
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_cap_holds_under_faults_with_many_at_a_time(protocol: str) -> None:
    # Of three requests one breaks off before anything was said, one is refused for free.
    broken, refused = Fault("cut", after=1), Fault("status", 529)
    faults = {n: (broken, refused)[n % 3] for n in range(999) if n % 3 < 2}
    async with served(protocol, faults) as (server, model):
        one = price(protocol, (await answer(model, LONG, [])).usage)
        before = len(server.requests)
        budget = Budget(cap=10.5 * one)

        async def work() -> None:
            while True:
                await answer(Budgeted(model, budget), LONG, [])

        ends = await asyncio.gather(*(work() for _ in range(6)), return_exceptions=True)
        assert {type(end) for end in ends} <= {LimitReached, ModelError}
        assert "budget" in [str(end) for end in ends]
        made = range(before, len(server.requests))
    # What the provider bills: the prompts of all that it began to answer.
    begun = [n for n in made if faults.get(n) is not refused]
    prompt = price(protocol, Usage(len(str(LONG)) // 4))
    assert budget.spent >= 0.5 * prompt * len(begun)
    assert budget.spent <= 10.5 * one + 6 * 2 * one
    assert len(begun) < 40


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_tries_of_one_request_do_not_go_on_without_money(protocol: str) -> None:
    faults = dict.fromkeys(range(99), Fault("cut", after=1))
    settings = replace(SETTINGS, retries=30)
    async with served(protocol, faults, settings) as (server, model):
        for limited in (
            Budgeted(model, Budget(1e-9)),
            Limited(model, EpisodeLimits(cost=1e-9)),
            Limited(model, EpisodeLimits(tokens=5)),
        ):
            before = len(server.requests)
            with pytest.raises(LimitReached, match=r"budget|limit: (cost|tokens)"):
                await answer(limited, LONG, [])
            assert len(server.requests) == before + 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_is_broken_off_by_us_is_booked(protocol: str) -> None:
    async with served(protocol, {0: Fault("silence", after=8)}) as (_, model):
        budget, heard = Budget(1.0), asyncio.Event()

        def listen(event: Event) -> None:
            if isinstance(event, Text):
                heard.set()

        talk = asyncio.create_task(answer(Budgeted(model, budget), LONG, [], listen))
        await asyncio.wait_for(heard.wait(), 5)
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)
    assert budget.spent > 0.5 * price(protocol, Usage(len(str(LONG)) // 5))


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_bookings_add_up_to_what_was_told(protocol: str) -> None:
    async with served(protocol) as (server, model):
        heard: list[Event] = []
        whole = await answer(model, LONG, [], heard.append)
        booked = [event for event in heard if isinstance(event, Usage)]
    assert len(booked) > 1
    assert booked[0].input > 1000
    assert whole.usage.input < 4000
    assert whole.usage.cost == pytest.approx(price(protocol, whole.usage))
    assert len(server.requests) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_cap_of_one_request_shortens_the_answer(protocol: str) -> None:
    limit = "max_output_tokens" if protocol == "responses" else "max_tokens"
    prompt, whole = (price(protocol, Usage(2500, output)) for output in (0, 1000))
    settings = replace(SETTINGS, call_cost=(prompt + whole) / 2)
    async with served(protocol, settings=settings) as (server, model):
        await answer(model, LONG, [])
    assert 300 < server.requests[0][limit] < 700
    settings = replace(SETTINGS, call_cost=prompt / 10)
    async with served(protocol, settings=settings) as (server, model):
        with pytest.raises(ModelError, match=r"and models.call_cost allows \$0.00"):
            await answer(model, LONG, [])
    assert not server.requests


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_unknown_price_is_said(protocol: str) -> None:
    settings = replace(SETTINGS, call_cost=1.0)
    async with served(protocol, settings=settings, prices="") as (server, model):
        with pytest.raises(ModelError, match=r"No price is known for .*: leave it out"):
            await answer(model, LONG, [])
    assert not server.requests
    async with served(protocol, prices="") as (_, model):
        paid = Budgeted(model, Budget(1.0))
        assert (await answer(paid, LONG, [])).usage.cost is None
        with pytest.raises(LimitReached, match="no price known"):
            await answer(paid, LONG, [])
