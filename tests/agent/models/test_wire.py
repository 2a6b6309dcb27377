"""What the clients of all protocols must do, over a real socket."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Literal, cast

import pytest

from agent.message import Message, assistant, calls, observed, system, user
from agent.model import ContextFull, Event, ModelError, Retry, Text, Thinking, Usage, answer
from agent.models.anthropic import AnthropicModel
from agent.models.openai import OpenAIModel
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from tests.servers import anthropic_server, openai_server
from tests.servers.model_server import Fault, ModelServer, Reply, Wire
from tools.call import Observation, ToolCall

KEY = "sk-very-secret-0123456789"
SETTINGS = ModelSettings(timeout=0.7, first_timeout=0.7, retries=2, patience=0.05, max_tokens=100)
PROVIDERS = ["anthropic", "openai", "responses"]

AnyModel = AnthropicModel | OpenAIModel


@asynccontextmanager
async def served(
    provider: str,
    replies: Sequence[Reply],
    faults: Mapping[int, Fault] | None = None,
    settings: ModelSettings = SETTINGS,
) -> AsyncGenerator[tuple[ModelServer, AnyModel]]:
    events = anthropic_server.events if provider == "anthropic" else openai_server.events
    with ModelServer(events, replies, faults) as server:
        model: AnyModel
        if provider == "anthropic":
            endpoint = Endpoint(server.url, "OTHER_KEY")
            model = AnthropicModel("claude-x", KEY, settings, endpoint)
        else:
            endpoint = Endpoint(server.url + "/v1", "OTHER_KEY")
            kind = ResponsesModel if provider == "responses" else OpenAIModel
            model = kind("openai:gpt-x", endpoint, KEY, settings)
        try:
            yield server, model
        finally:
            await model.close()


READ: Wire = {"name": "read_file", "arguments": {"path": "ä.py", "deep": [1, {"x": None}]}}
LIST: Wire = {"name": "list_files", "arguments": {}}
BOTH = Reply("I look at both. 🦆", [READ, LIST])
DONE = Reply("Done.")


def trimmed(request: Wire) -> list[Wire]:
    """The messages without cache breakpoints, which move."""
    if "input" in request:
        return request["input"]
    blocks = [m["content"] for m in request["messages"] if isinstance(m["content"], list)]
    for content in blocks:
        for block in content:
            block.pop("cache_control", None)
    return request["messages"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_text_and_parallel_calls(provider: str):
    async with served(provider, [BOTH, DONE]) as (server, model):
        heard: list[Event] = []
        history: list[Message] = [system("Be brief."), user("Look")]
        first = await answer(model, history, [], heard.append)
        made = calls(first.message)
        assert first.message["content"] == "I look at both. 🦆"
        assert [(c.name, c.arguments) for c in made] == [
            ("read_file", READ["arguments"]),
            ("list_files", {}),
        ]
        assert (first.stop, first.malformed) == ("calls", None)
        assert sum(isinstance(event, Text) for event in heard) > 2
        assert first.usage.input > first.usage.cached > 0
        assert first.usage.output > 0
        history += [first.message, *(observed(Observation(c.id, c.name, "ok")) for c in made)]
        second = await answer(model, history, [])
        second.message.pop("provider", None)
        assert (second.message, second.stop) == (assistant("Done."), "end")
        before, after = map(trimmed, server.requests)
        assert after[: len(before)] == before


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("text", "stop"),
    [('{"path": "a', "length"), ("[1]", "calls"), ('{"a": NaN}', "calls"), ("{", "calls")],
)
async def test_unreadable_arguments_are_malformed(provider: str, text: str, stop: str):
    full = {"anthropic": "max_tokens", "openai": "length", "responses": "max_output_tokens"}
    wire = full[provider] if stop == "length" else ""
    reply = Reply("", [{"name": "write_file", "arguments": text}], stop=wire)
    async with served(provider, [reply]) as (_, model):
        got = await answer(model, [user("x")], [])
    assert got.malformed
    assert got.malformed.text == f"write_file({text})"
    assert (got.stop, calls(got.message)) == (stop, [])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_thinking_is_told_apart(provider: str):
    async with served(provider, [Reply("So.", thinking="Hm.")]) as (_, model):
        heard: list[Event] = []
        got = await answer(model, [user("x")], [], heard.append)
    assert Thinking("Hm.") in heard
    assert got.message["content"] == "So."


OVERLOADED: Wire = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
MENDED = {
    "429": Fault("status", 429, {"retry-after": "0.05"}),
    "429 without retry-after": Fault("status", 429),
    "500": Fault("status", 500, {"retry-after-ms": "20"}),
    "529": Fault("status", 529, {"retry-after-ms": "20"}),
    "408": Fault("status", 408, {"retry-after-ms": "20"}),
    "reset before": Fault("reset"),
    "cut at once": Fault("cut"),
    "garbage": Fault("garbage"),
    "overloaded": Fault("event", body=OVERLOADED),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", MENDED.values(), ids=MENDED.keys())
async def test_what_is_mended_by_another_request(provider: str, fault: Fault):
    async with served(provider, [BOTH], {0: fault}) as (server, model):
        got = await answer(model, [user("x")], [])
        assert len(calls(got.message)) == 2
        assert len(server.requests) == 2


async def test_a_pause_that_the_listener_has_made_is_not_made_again():
    busy = Fault("status", 429, headers={"retry-after": "1"})
    settings = replace(SETTINGS, patience=1.0)
    async with served("openai", [DONE], {0: busy}, settings) as (_, model):
        began = 0.0
        async for event in model.stream([user("Look")], []):
            if isinstance(event, Retry):
                await asyncio.sleep(event.seconds)
                began = time.monotonic()
            elif isinstance(event, Text):
                break
    assert began
    assert time.monotonic() - began < 0.9


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_reset_before_any_text_is_mended(provider: str):
    async with served(provider, [BOTH], {0: Fault("reset", after=1)}) as (server, model):
        assert len(calls((await answer(model, [user("x")], [])).message)) == 2
        assert len(server.requests) == 2


LATE = {
    "reset": Fault("reset", after=5),
    "cut": Fault("cut", after=5),
    "silence": Fault("silence", after=5),
    "overloaded": Fault("event", after=5, body=OVERLOADED),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", LATE.values(), ids=LATE.keys())
async def test_what_breaks_after_text_is_said_once(provider: str, fault: Fault):
    heard: list[Event] = []
    async with served(provider, [BOTH], {0: fault}) as (server, model):
        with pytest.raises(ModelError) as raised:
            await answer(model, [user("x")], [], heard.append)
        assert len(server.requests) == 1
    assert any(isinstance(event, Text) for event in heard)
    assert isinstance(heard[-1], Usage)
    sentence = str(raised.value)
    assert sentence.startswith(model.name)
    assert sentence.count(".") <= 2
    expected = {
        "silence": "sent nothing for 0.7 seconds",
        "event": "busy",
        "cut": "gave no whole answer",
    }
    assert expected.get(fault.kind, "broke off in the middle") in sentence


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, f"Incorrect API key provided: {KEY}", "refused the key"),
        (403, f"{KEY} may not", "403"),
        (404, "no such model", "check the model's name"),
        (400, "prompt is too long", "prompt is too long"),
        (429, "no credit", "no credit"),
        (500, "it is broken", "it is broken"),
    ],
)
async def test_a_refusal_is_one_sentence_without_the_key(
    provider: str, status: int, body: str, words: str
):
    fault = Fault("status", status, {"retry-after-ms": "10"}, body={"error": {"message": body}})
    faults = dict.fromkeys(range(9), fault)
    async with served(provider, [BOTH], faults) as (server, model):
        with pytest.raises(ModelError) as raised:
            await answer(model, [user("x")], [])
        assert len(server.requests) == (3 if status in (429, 500) else 1)
    sentence = str(raised.value)
    assert words in sentence
    assert model.name in sentence
    assert KEY not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nobody_listens(provider: str):
    async with served(provider, []) as (server, model):
        pass
    async with served(provider, [], settings=replace(SETTINGS, retries=0)) as (_, model):
        address = server.url
        if isinstance(model, AnthropicModel):
            model = AnthropicModel("claude-x", KEY, replace(SETTINGS, retries=0), Endpoint(address))
        else:
            endpoint = Endpoint(address + "/v1")
            model = type(model)("openai:gpt-x", endpoint, "", replace(SETTINGS, retries=0))
        with pytest.raises(ModelError, match=f"cannot be reached at {address}"):
            await answer(model, [user("x")], [])
        await model.close()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_cancelling_closes_the_connection(provider: str):
    # More than the sockets' buffers hold, so that the server notices.
    long = Reply("word " * 60_000)
    async with served(provider, [long], settings=replace(SETTINGS, timeout=9)) as (server, model):
        heard = asyncio.Event()
        task = asyncio.create_task(answer(model, [user("x")], [], lambda event: heard.set()))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        deadline = time.monotonic() + 5
        while not server.broken and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert server.broken == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_leaving_closes_the_connection(provider: str):
    long = Reply("word " * 60_000)
    async with served(provider, [long], settings=replace(SETTINGS, timeout=9)) as (server, model):
        async with aclosing(cast(AsyncGenerator[Event], model.stream([user("x")], []))) as events:
            await anext(events)
        deadline = time.monotonic() + 5
        while not server.broken and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert server.broken == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_conversations_at_the_same_time(provider: str):
    async with served(provider, [BOTH]) as (_, model):
        got = await asyncio.gather(*(answer(model, [user(str(n))], []) for n in range(8)))
    assert all(len(calls(reply.message)) == 2 for reply in got)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_in_one_piece(provider: str):
    bodies = {
        "anthropic": b'{"type": "message", "content": [{"type": "text", "text": "Hi"}, {"type": '
        b'"tool_use", "id": "a", "name": "f", "input": {"x": 1}}], "stop_reason": "tool_use", '
        b'"usage": {"input_tokens": 5, "output_tokens": 2}}',
        "openai": b'{"choices": [{"message": {"content": "Hi", "tool_calls": [{"id": "a", '
        b'"function": {"name": "f", "arguments": "{\\"x\\": 1}"}}]}, "finish_reason": "stop"}], '
        b'"usage": {"prompt_tokens": 5, "completion_tokens": 2}}',
        "responses": b'{"status": "completed", "output": [{"type": "message", "content": [{"type": '
        b'"output_text", "text": "Hi"}]}, {"type": "function_call", "call_id": "a", "name": "f", '
        b'"arguments": "{\\"x\\": 1}"}], "usage": {"input_tokens": 5, "output_tokens": 2}}',
    }
    reply = Reply(body=bodies[provider], content_type="application/json")
    async with served(provider, [reply]) as (_, model):
        got = await answer(model, [user("x")], [])
    got.message.pop("provider", None)
    assert got.message == assistant("Hi", [ToolCall("a", "f", {"x": 1})])
    assert (got.usage.input, got.usage.output, got.stop) == (5, 2, "calls")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_is_not_of_the_protocol(provider: str):
    kind = {"responses": "response.output_text.delta"}.get(provider, "content_block_delta")
    wire = {"type": kind, "index": 7, "output_index": 0, "delta": 5, "choices": [{"delta": 5}]}
    body = f"event: {kind}\ndata: {json.dumps(wire)}\n\n".encode()
    settings = replace(SETTINGS, retries=0)
    async with served(provider, [Reply(body=body)], settings=settings) as (_, model):
        with pytest.raises(ModelError, match="not of the protocol"):
            await answer(model, [user("x")], [])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_web_page_is_no_answer(provider: str):
    page = Reply(body=b"<html>Sign in to the network</html>", content_type="text/html")
    settings = replace(SETTINGS, retries=0)
    async with served(provider, [page], settings=settings) as (_, model):
        with pytest.raises(ModelError, match="it sent a web page: check the address"):
            await answer(model, [user("x")], [])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("kind", ["cut", "reset", "silence"])
async def test_what_breaks_inside_arguments_is_asked_again(
    provider: str, kind: Literal["cut", "reset", "silence"]
):
    heard: list[Event] = []
    async with served(provider, [Reply("", [READ])], {0: Fault(kind, after=5)}) as (server, model):
        got = await answer(model, [user("x")], [], heard.append)
        assert len(server.requests) == 2
    assert [call.arguments for call in calls(got.message)] == [READ["arguments"]]
    assert sum(isinstance(event, ToolCall) for event in heard) == 1


FULL = [
    ("context_length_exceeded", "Your input exceeds the context window of this model."),
    ("", "prompt is too long: 203215 tokens > 200000 maximum"),
    ("", "input length and `max_tokens` exceed context limit: 197202 + 21333 > 200000"),
    ("exceed_context_size_error", "the request exceeds the available context size"),
    ("", "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens"),
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("code", "words"), FULL)
async def test_a_conversation_that_is_too_long(provider: str, code: str, words: str):
    fault = Fault("status", 400, body={"error": {"code": code, "message": words}})
    async with served(provider, [BOTH], {0: fault}) as (server, model):
        with pytest.raises(ContextFull, match=re.escape(words.rstrip("."))):
            await answer(model, [user("x")], [])
        assert len(server.requests) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_limit_that_is_too_large_is_a_wrong_setting(provider: str):
    words = "max_tokens is too large: 99999. This model's maximum context length is 8192 tokens"
    fault = Fault("status", 400, body={"error": {"message": words}})
    async with served(provider, [BOTH], {0: fault}) as (_, model):
        with pytest.raises(ModelError, match="is too large") as raised:
            await answer(model, [user("x")], [])
    assert not isinstance(raised.value, ContextFull)
