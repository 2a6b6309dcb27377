"""What the prompt cache of Anthropic makes of our requests, over a real socket."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from agent.message import Message, assistant, calls, observed, system, user
from agent.model import Usage, answer
from agent.models.anthropic import AnthropicModel
from agent.models.settings import Endpoint, ModelSettings
from tests.servers.anthropic_cache import LOOKBACK, PromptCache, caching
from tests.servers.model_server import ModelServer, Reply, Wire
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

TOOL: ToolSchema = {
    "type": "function",
    "function": {"name": "f", "description": "F. " * 700, "parameters": {"type": "object"}},
}
START: list[Message] = [system("Be brief."), user("Look.")]


@asynccontextmanager
async def served(replies: Sequence[Reply]) -> AsyncGenerator[tuple[ModelServer, AnthropicModel]]:
    with ModelServer(caching(PromptCache()), replies) as server:
        model = AnthropicModel("claude-x", "k", ModelSettings(), Endpoint(server.url))
        try:
            yield server, model
        finally:
            await model.close()


async def step(model: AnthropicModel, history: list[Message], text: str) -> Usage:
    """One request; what it brought and the results of its calls are appended."""
    got = await answer(model, history, [TOOL])
    history.append(got.message)
    history += [observed(Observation(c.id, c.name, text)) for c in calls(got.message)]
    return got.usage


def asked(count: int) -> Reply:
    return Reply("I look.", [{"name": "f", "arguments": {"n": n}} for n in range(count)])


@pytest.mark.parametrize("parallel", [1, 3, LOOKBACK, 3 * LOOKBACK])
async def test_every_request_after_the_first_reads_the_one_before_it(parallel: int):
    history = list(START)
    async with served([asked(parallel)] * 6) as (_, model):
        used = [await step(model, history, "a result") for _ in range(6)]
    assert used[0].cached == 0
    for before, now in pairwise(used):
        assert now.cached == before.input


async def test_turns_of_users_and_answers_without_text():
    history = list(START)
    async with served([asked(1), Reply(" "), Reply("Done."), asked(2), Reply("")]) as (_, model):
        before = await step(model, history, "a result")
        for text in ("Go on.", "And?", "Well?", "So?"):
            history.append(user(text))
            now = await step(model, history, "a result")
            assert now.cached == before.input
            before = now


@pytest.mark.parametrize("steps", [1, 8, 16])
async def test_steps_of_another_model_in_between(steps: int):
    history = list(START)
    async with served([asked(1)] * (steps + 2)) as (_, model):
        before = await step(model, history, "a result")
        for n in range(steps):
            history.append(assistant("", [ToolCall(f"other_{n}", "f")]))
            history.append(observed(Observation(f"other_{n}", "f", "x" * 400)))
        now = await step(model, history, "a result")
    assert now.cached == before.input


async def test_at_most_four_breakpoints():
    history = list(START)
    async with served([asked(LOOKBACK)] * 8) as (server, model):
        for _ in range(8):
            await step(model, history, "a result")
    assert all(0 < str(request).count("cache_control") <= 4 for request in server.requests)


def request(*texts: str, marks: Sequence[int] = (-1,)) -> Wire:
    blocks: list[Wire] = [{"type": "text", "text": text} for text in texts]
    for mark in marks:
        blocks[mark]["cache_control"] = {"type": "ephemeral"}
    return {"model": "m", "messages": [{"role": "user", "content": blocks}]}


def read(cache: PromptCache, wire: Wire) -> int:
    return cache.usage(wire)["cache_read_input_tokens"]


def test_the_cache_finds_no_more_than_the_real_one():
    long = ["x" * 4000]
    cache = PromptCache()
    assert read(cache, request(*long)) == 0
    assert read(cache, request(*long)) > 900
    assert read(cache, request("y", *long)) == 0
    assert read(cache, request(*long, marks=())) == 0
    near, far = ["z"] * (LOOKBACK - 1), ["w"] * LOOKBACK
    assert read(cache, request(*long, *near)) > 900
    assert read(cache, request(*long, *far)) == 0
    assert read(PromptCache(), request("short")) == 0
    with pytest.raises(ValueError, match="5 blocks"):
        cache.usage(request(*"abcde", marks=range(5)))
