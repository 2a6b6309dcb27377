"""What is Claude's own: stop reasons, pauses, thinking, effort, counting. Over a real socket."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from agent.message import Message, assistant, calls, observed, system, user
from agent.model import ContextFull, Event, Malformed, ModelError, Reply, Text, Usage, answer
from agent.models.anthropic import AnthropicModel
from agent.models.settings import Endpoint, ModelSettings
from agent.prices import cost
from tests.servers import anthropic_server
from tests.servers import model_server as servers
from tests.servers.model_server import Fault, ModelServer, Wire
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

TOOL: ToolSchema = {
    "type": "function",
    "function": {"name": "f", "description": "F.", "parameters": {"type": "object"}},
}
CALL: Wire = {"name": "f", "arguments": {"x": 1}}
QUICK = ModelSettings(retries=1, first_timeout=2, timeout=1)


@asynccontextmanager
async def served(
    *replies: servers.Reply,
    model: str = "claude-x",
    settings: ModelSettings = QUICK,
    faults: dict[int, Fault] | None = None,
) -> AsyncGenerator[tuple[ModelServer, AnthropicModel]]:
    with ModelServer(anthropic_server.events, replies, faults) as server:
        driver = AnthropicModel(model, "k", settings, Endpoint(server.url))
        try:
            yield server, driver
        finally:
            await driver.close()


async def asked(*replies: servers.Reply) -> tuple[Reply, list[Event]]:
    heard: list[Event] = []
    async with served(*replies) as (_, model):
        return await answer(model, [user("x")], [TOOL], heard.append), heard


def streamed(*events: Wire) -> servers.Reply:
    """Events as given, between a start and an end."""
    whole = [{"type": "message_start", "message": {"usage": {"input_tokens": 9}}}, *events]
    lines = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in whole]
    return servers.Reply(body="".join(lines).encode())


def block(index: int, start: Wire, *deltas: Wire) -> list[Wire]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def stopped(reason: str) -> list[Wire]:
    delta: Wire = {"type": "message_delta", "delta": {"stop_reason": reason}}
    return [delta | {"usage": {"output_tokens": 3}}, {"type": "message_stop"}]


async def test_a_call_that_breaks_off_before_its_arguments_does_not_run():
    cut = {"name": "f", "arguments": ""}
    got, _ = await asked(servers.Reply("I look.", [cut], stop="max_tokens"))
    assert got.malformed
    assert (got.malformed.text, got.malformed.reason) == ("f()", "the call breaks off")
    assert (calls(got.message), got.stop) == ([], "length")


async def test_a_call_without_arguments_before_the_one_that_breaks_off_is_whole():
    cut = {"name": "g", "arguments": ""}
    _, heard = await asked(
        servers.Reply("", [{"name": "f", "arguments": ""}, cut], stop="max_tokens")
    )
    assert [e.text for e in heard if isinstance(e, Malformed)] == ["g()"]
    assert [e.name for e in heard if isinstance(e, ToolCall)] == ["f"]


async def test_a_call_without_arguments_runs_where_the_answer_is_whole():
    got, _ = await asked(servers.Reply("", [{"name": "f", "arguments": ""}]))
    assert [(call.name, call.arguments) for call in calls(got.message)] == [("f", {})]


async def test_a_call_at_the_end_of_an_answer_in_one_piece_that_is_too_long():
    body: Wire = {"content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}
    body |= {"stop_reason": "max_tokens", "usage": {}}
    whole = servers.Reply(body=json.dumps(body).encode(), content_type="application/json")
    got, _ = await asked(whole)
    assert got.malformed
    assert (calls(got.message), got.stop) == ([], "length")


async def test_what_was_refused_does_not_run():
    got, heard = await asked(servers.Reply("I", [CALL], stop="refusal", thinking="Hm."))
    assert (calls(got.message), got.stop) == ([], "refusal")
    assert "provider" not in got.message
    assert Text("I") in heard


async def test_a_full_window_ends_the_answer():
    async with served(servers.Reply("Half", stop="model_context_window_exceeded")) as (_, model):
        with pytest.raises(ContextFull, match="window is full"):
            await answer(model, [user("x")], [])


async def test_a_reason_to_stop_that_nobody_knows():
    async with served(servers.Reply("Half", stop="tired")) as (_, model):
        with pytest.raises(ModelError, match="does not know: tired"):
            await answer(model, [user("x")], [])


async def test_a_paused_answer_goes_on_with_the_same_content():
    ran = block(0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "input_json_delta", "partial_json": '{"query": "ducks"}'})  # fmt: skip
    found: Wire = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    said = block(2, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Found. "})
    paused = streamed(*ran, *block(1, found), *said, *stopped("pause_turn"))
    async with served(paused, servers.Reply("Ducks.", [CALL])) as (srv, model):
        got = await answer(model, [system("s"), user("x")], [TOOL])
        history = [system("s"), user("x"), got.message, result(calls(got.message)[0].id)]
        await answer(model, history, [TOOL])
    assert got.message["content"] == "Found. Ducks."
    assert [call.arguments for call in calls(got.message)] == [{"x": 1}]
    first, second, third = srv.requests
    content = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "ducks"}},
        found,
        {"type": "text", "text": "Found. "},
    ]
    assert second == first | {
        "messages": [*first["messages"], {"role": "assistant", "content": content}]
    }
    sent = third["messages"][1]["content"]
    assert sent[:3] == content
    assert [block["type"] for block in sent[3:]] == ["text", "tool_use"]


async def test_an_answer_that_never_stops_pausing():
    pause = servers.Reply("Zz", stop="pause_turn")
    async with served(*[pause] * 40) as (server, model):
        got = await answer(model, [user("x")], [])
    assert got.stop == "length"
    assert len(server.requests) == 21


async def test_an_answer_that_begins_anew_is_not_said_twice():
    said = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"})
    start: Wire = {"type": "message_start", "message": {"usage": {"input_tokens": 9}}}
    async with served(streamed(*said, start, *said, *stopped("end_turn"))) as (_, model):
        with pytest.raises(ModelError, match="began its answer twice"):
            await answer(model, [user("x")], [])


async def test_a_start_that_comes_twice_is_one_start():
    start: Wire = {"type": "message_start", "message": {"usage": {"input_tokens": 9}}}
    said = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"})
    got, _ = await asked(streamed(start, *said, start, *stopped("end_turn")))
    assert (got.message, got.usage.input) == (assistant("Hi"), 9)


@pytest.mark.parametrize("events", [0, 3, 5])
async def test_an_answer_without_an_end_is_asked_for_again_if_nothing_was_shown(events: int):
    # The SDK takes what came for the whole answer.
    call = block(0, {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                 {"type": "input_json_delta", "partial_json": '{"x":'},
                 {"type": "input_json_delta", "partial_json": " 1}"})  # fmt: skip
    heard: list[Event] = []
    async with served(servers.Reply("", [CALL]), faults={}) as (server, model):
        server.faults[0] = Fault("cut", after=events)
        got = await answer(model, [user("x")], [TOOL], heard.append)
        assert len(server.requests) == 2
    assert [call.arguments for call in calls(got.message)] == [{"x": 1}]
    assert sum(isinstance(event, ToolCall) for event in heard) == 1
    async with served(streamed(*call)) as (_, model):
        with pytest.raises(ModelError, match="ended too early"):
            await answer(model, [user("x")], [TOOL])


def result(identity: str) -> Message:
    return observed(Observation(identity, "f", "r"))


async def thought(
    change: Sequence[Message] = (), tools: Sequence[ToolSchema] = (TOOL,)
) -> tuple[Message, list[Wire]]:
    """An answer with thinking, and what the next request says of it after a change."""
    start = [system("s"), user("x")]
    first = servers.Reply("I look.", [CALL], thinking="Hm.")
    async with served(first, servers.Reply("Ok"), servers.Reply("Ok")) as (server, model):
        got = await answer(model, start, [TOOL])
        message = json.loads(json.dumps(got.message))
        history = [*(change or start), message, result(calls(message)[0].id)]
        await answer(model, history, tools)
    turns = server.requests[1]["messages"]
    return message, next(turn["content"] for turn in turns if turn["role"] == "assistant")


async def test_thinking_goes_back_after_the_very_same_prefix():
    _, sent = await thought()
    assert [part["type"] for part in sent] == ["thinking", "text", "tool_use"]
    assert sent[0] == {"type": "thinking", "thinking": "Hm.", "signature": "signed_answer_0"}


@pytest.mark.parametrize("part", ["system", "task", "tools"])
async def test_thinking_is_left_out_after_another_prefix(part: str):
    change = [system("t" if part == "system" else "s"), user("y" if part == "task" else "x")]
    _, sent = await thought(change, [] if part == "tools" else [TOOL])
    assert [block["type"] for block in sent] == ["text", "tool_use"]


async def test_thinking_that_is_hidden_goes_back_too():
    hidden = block(0, {"type": "thinking", "thinking": ""},
                   {"type": "signature_delta", "signature": "s1"})  # fmt: skip
    redacted = block(1, {"type": "redacted_thinking", "data": "xyz"})
    call = block(2, {"type": "tool_use", "id": "a", "name": "f", "input": {}})
    reply = streamed(*hidden, *redacted, *call, *stopped("tool_use"))
    async with served(reply, servers.Reply("Ok")) as (server, model):
        got = await answer(model, [user("x")], [TOOL])
        await answer(model, [user("x"), got.message, result("a")], [TOOL])
    assert server.requests[1]["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "", "signature": "s1"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
    ]


async def test_thinking_that_was_cut_off_does_not_go_back():
    cut = block(0, {"type": "thinking", "thinking": ""},
                {"type": "thinking_delta", "thinking": "Hm"})  # fmt: skip
    async with served(streamed(*cut, *stopped("max_tokens")), servers.Reply("Ok")) as (srv, model):
        got = await answer(model, [user("x")], [])
        assert got.stop == "length"
        await answer(model, [user("x"), got.message, user("y")], [])
    assert [turn["role"] for turn in srv.requests[1]["messages"]] == ["user"]


async def test_thinking_at_the_end_of_a_message_does_not_go_back():
    said = block(0, {"type": "text", "text": "So."})
    last = block(1, {"type": "thinking", "thinking": "Hm", "signature": "s"})
    async with served(streamed(*said, *last, *stopped("end_turn")), servers.Reply()) as (
        srv,
        model,
    ):
        got = await answer(model, [user("x")], [])
        await answer(model, [user("x"), got.message, user("y")], [])
    assert srv.requests[1]["messages"][1]["content"] == [{"type": "text", "text": "So."}]


SHOWN: Wire = {"thinking": {"type": "adaptive", "display": "summarized"}}


def budget(tokens: int) -> Wire:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


@pytest.mark.parametrize(
    ("model", "level", "wanted"),
    [
        ("claude-sonnet-5-5", "", SHOWN),
        ("claude-opus-4-6", "", {}),
        ("claude-haiku-4-5", "", {}),
        ("my-own", "", {}),
        ("claude-sonnet-5-5", "low", SHOWN | {"output_config": {"effort": "low"}}),
        ("claude-opus-4-6", "max", SHOWN | {"output_config": {"effort": "max"}}),
        ("claude-haiku-4-5", "medium", budget(8192)),
        ("claude-sonnet-4-20250514", "high", budget(10_000)),
    ],
)
async def test_effort(model: str, level: str, wanted: dict[str, Any]):
    settings = ModelSettings(effort=level, max_tokens=20_000, temperature=0.5)
    async with served(servers.Reply("Ok"), model=model, settings=settings) as (server, driver):
        await answer(driver, [user("x")], [])
    sent = server.requests[0]
    names = ("thinking", "output_config", "temperature")
    assert {name: sent[name] for name in names if name in sent} == wanted


async def test_an_answer_that_is_short_leaves_no_room_for_thinking():
    settings = ModelSettings(effort="low", max_tokens=1_500)
    async with served(servers.Reply(), model="claude-haiku-4-5", settings=settings) as (srv, model):
        await answer(model, [user("x")], [])
    assert "thinking" not in srv.requests[0]


async def test_an_answer_that_is_shortened_for_its_price_leaves_less_room_for_thinking():
    cap = cost("claude-haiku-4-5", Usage(100, 4_000), provider="anthropic")
    settings = ModelSettings(effort="high", max_tokens=20_000, call_cost=cap)
    async with served(servers.Reply(), model="claude-haiku-4-5", settings=settings) as (srv, model):
        await answer(model, [user("x")], [])
    sent = srv.requests[0]
    assert 1_024 <= sent["thinking"]["budget_tokens"] <= sent["max_tokens"] // 2 < 3_000


async def test_reasoning_is_counted():
    usage = {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}}
    end: Wire = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    got, _ = await asked(streamed(*block(0, {"type": "text", "text": "Ok"}), end))
    assert (got.usage.output, got.usage.reasoning) == (30, 20)


async def test_tokens_are_counted_before_sending():
    told = servers.Reply(body=b'{"input_tokens": 1234}', content_type="application/json")
    history = [system("s"), user("x")]
    settings = ModelSettings(effort="low")
    async with served(told, model="claude-haiku-5-5", settings=settings) as (server, model):
        assert await model.count(history, [TOOL]) == 1234
        assert model.window == 1_000_000
        server.faults[1] = Fault("status", 400, body={"error": {"message": "no"}})
        with pytest.raises(ModelError, match="refuse"):
            await model.count(history, [TOOL])
    sent = server.requests[0]
    assert set(sent) == {"model", "system", "tools", "messages", "thinking", "output_config"}


@pytest.mark.parametrize("body", [b"hello", b"<html>", b"[1]", b"{bad", b'{"input_tokens": null}'])
async def test_what_is_no_count_is_one_sentence(body: bytes):
    kind = "text/html" if b"h" in body else "application/json"
    async with served(servers.Reply(body=body, content_type=kind)) as (_, model):
        with pytest.raises(ModelError, match=r"sent no number of tokens\.$"):
            await model.count([user("x")], [])


async def test_a_window_that_nobody_knows():
    async with served(model="my-own") as (_, model):
        assert cast(Any, model).window == 0
