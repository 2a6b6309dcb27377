"""What is special about the Responses API: its events, its reasoning, its refusals."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.message import Message, assistant, calls, observed, system, user
from agent.model import (
    ContextFull,
    Event,
    Malformed,
    ModelError,
    Stop,
    Text,
    Thinking,
    Usage,
    answer,
)
from agent.models.anthropic_request import request as to_anthropic
from agent.models.openai_request import request as to_chat
from agent.models.responses import ResponsesModel
from agent.models.responses_answer import ResponsesAnswer
from agent.models.responses_request import cache_key, request
from agent.models.settings import Endpoint, ModelSettings
from agent.models.wire import Cut, Reported
from tests.servers import openai_server
from tests.servers.model_server import Fault, ModelServer, Reply, Wire
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

DATA = Path(__file__).resolve().parents[3].parent / "shared/data"

TOOL: ToolSchema = {
    "type": "function",
    "function": {"name": "f", "description": "F.", "parameters": {"type": "object"}},
}
CALL: Wire = {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x": 1}'}
THOUGHT: Wire = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "sealed"}


@asynccontextmanager
async def served(
    replies: Sequence[Reply], faults: Mapping[int, Fault] | None = None, name: str = "gpt-x"
) -> AsyncGenerator[tuple[ModelServer, ResponsesModel]]:
    with ModelServer(openai_server.events, replies, faults) as server:
        settings = ModelSettings(timeout=2, retries=1, max_tokens=8)
        model = ResponsesModel(f"openai:{name}", Endpoint(server.url + "/v1"), "k", settings)
        try:
            yield server, model
        finally:
            await model.close()


def said(*parts: Wire, phase: str = "") -> Wire:
    return {"type": "message", "content": list(parts)} | ({"phase": phase} if phase else {})


def text(words: str) -> Wire:
    return {"type": "output_text", "text": words}


def whole(*items: Wire, status: str = "completed", reason: str = "") -> list[Event]:
    response: Wire = {"status": status, "output": list(items)}
    return read({"type": f"response.{status}", "response": response | details(reason)})


def details(reason: str) -> Wire:
    return {"incomplete_details": {"reason": reason} if reason else None}


def read(*chunks: Any) -> list[Event]:
    taken = ResponsesAnswer("gpt-x")
    events = [event for chunk in chunks for event in taken.take(chunk)]
    return [*events, *taken.finish()]


def delta(kind: str, words: str, index: int = 0) -> Wire:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": words}


def item(kind: str, given: Wire, index: int = 0) -> Wire:
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": given}


END: Wire = {"type": "response.completed", "response": {"status": "completed", "output": []}}
LENGTH: Wire = {
    "type": "response.incomplete",
    "response": {"status": "incomplete", "output": None} | details("max_output_tokens"),
}


def test_what_came_in_fragments_is_not_said_again():
    done = item("done", said(text("Hello"), text(" you")))
    assert read(delta("output_text", "Hel"), done, END)[:2] == [Text("Hel"), Text("lo you")]
    layout: Any = [{"type": "message", "length": 2}]
    stop = Stop("end", {"openai": {"model": "gpt-x", "layout": layout}})
    assert read(delta("output_text", "Hi"), done, END) == [Text("Hi"), stop]


def test_a_shorter_list_at_the_end_changes_nothing():
    ended: Wire = {"status": "completed", "output": [CALL]}
    heard = read(item("done", THOUGHT), item("done", CALL, 1), END | {"response": ended})
    assert [event for event in heard if isinstance(event, ToolCall)] == [
        ToolCall("a", "f", {"x": 1})
    ]
    assert "sealed" in str(heard[-1])


def test_summaries_are_thinking_in_paragraphs():
    part: Wire = {"type": "response.reasoning_summary_part.added", "output_index": 0}
    heard = read(
        part | {"summary_index": 0},
        delta("reasoning_summary_text", "One."),
        part | {"summary_index": 1},
        delta("reasoning_summary_text", "Two."),
        item("done", THOUGHT | {"summary": [{"text": "One."}, {"text": "Two."}]}),
        END,
    )
    assert heard[:-1] == [Thinking("One."), Thinking("\n\n"), Thinking("Two.")]
    summed = whole(THOUGHT | {"summary": [{"text": "One."}, {"text": "Two."}]})
    assert summed[0] == Thinking("One.\n\nTwo.")


def test_parallel_calls_keep_their_order():
    second = CALL | {"call_id": "b", "name": "g", "arguments": ""}
    heard = read(
        item("added", CALL | {"arguments": ""}),
        item("added", second, 1),
        delta("function_call_arguments", '{"x"', 0),
        item("done", second, 1),
        delta("function_call_arguments", ": 1}", 0),
        item("done", CALL),
        END,
    )
    assert heard[:2] == [ToolCall("a", "f", {"x": 1}), ToolCall("b", "g", {})]
    assert isinstance(heard[2], Stop)
    assert heard[2].reason == "calls"


@pytest.mark.parametrize(
    ("reason", "stop"), [("max_output_tokens", "length"), ("content_filter", "refusal")]
)
def test_incomplete(reason: str, stop: str):
    *_, last = whole(said(text("Hi")), status="incomplete", reason=reason)
    assert isinstance(last, Stop)
    assert last.reason == stop


def test_a_call_that_breaks_off_never_runs():
    # No arguments are arguments too: only the status tells a call from the start of one.
    for written in ("", '{"x": 1}', '{"x'):
        given = CALL | {"arguments": written, "status": "incomplete"}
        reason = "max_output_tokens"
        heard = whole(given, status="incomplete", reason=reason)
        assert heard[0] == Malformed(f"f({written})", "the call breaks off")
    heard = read(item("added", CALL | {"arguments": ""}), LENGTH)
    assert heard[0] == Malformed("f()", "the call breaks off")
    complete = CALL | {"status": "completed"}
    assert whole(complete, status="incomplete", reason=reason)[0] == ToolCall("a", "f", {"x": 1})


def test_a_refusal():
    heard = read(
        delta("refusal", "No."), item("done", said({"type": "refusal", "refusal": "No."})), END
    )
    assert heard[0] == Text("No.")
    assert isinstance(heard[1], Stop)
    assert heard[1].reason == "refusal"


@pytest.mark.parametrize("given", [CALL | {"name": None}, CALL | {"call_id": ""}])
def test_a_call_that_nobody_can_answer_is_malformed(given: Wire):
    assert isinstance(whole(given)[0], Malformed)


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([delta("output_text", "Hi")], "too early"),
        ([item("added", CALL), END], "inside a call"),
        ([LENGTH | {"response": {"status": "incomplete"} | details("moon")}], "moon"),
        ([7], "not of the protocol"),
        (
            [item("done", {"type": 3} | {"content": 3}), END | {"response": 3}],
            "not of the protocol",
        ),
        ([delta("function_call_arguments", "{")], "not of the protocol"),
    ],
)
def test_no_whole_answer(chunks: list[Any], words: str):
    with pytest.raises(Cut, match=words):
        read(*chunks)


def test_kinds_that_are_not_known_are_skipped():
    heard = read({"type": "response.moon.rising"}, item("done", {"type": "web_search_call"}), END)
    assert heard == [Stop("end")]


def test_usage():
    taken = ResponsesAnswer("gpt-x")
    counts: Wire = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    list(taken.take(END | {"response": {"status": "completed", "usage": counts}}))
    assert (taken.usage(), taken.written) == (Usage(9, 5, 4, reasoning=2), 3)


FAILURES = {
    "server error": ("server_error", "it fell over", 2),
    "rate limit": ("rate_limit_exceeded", "slow down", 2),
    "bad prompt": ("invalid_prompt", "not this", 1),
    "full": ("context_length_exceeded", "exceeds the context window of this model", 1),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("form", ["event", "nested event", "response.failed"])
async def test_a_failure_inside_the_answer(form: str, failure: tuple[str, str, int]):
    code, words, requests = failure
    error = {"code": code, "message": words}
    body: Wire = {
        "event": {"type": "error", **error},
        "nested event": {"type": "error", "error": error},
        "response.failed": {
            "type": "response.failed",
            "response": {"status": "failed", "error": error, "usage": None},
        },
    }[form]
    faults = dict.fromkeys(range(2), Fault("event", after=2, body=body))
    async with served([Reply("Hi")], faults) as (server, model):
        with pytest.raises(ModelError, match=words) as raised:
            await answer(model, [user("x")], [])
        assert len(server.requests) == requests
    assert isinstance(raised.value, ContextFull) == (code == "context_length_exceeded")
    assert str(raised.value).count(".") <= 2


def test_a_failure_without_a_reason():
    with pytest.raises(Reported, match="gave no reason"):
        whole(status="failed")


@pytest.mark.parametrize("kind", ["reset", "cut", "silence"])
async def test_what_happens_after_the_end_does_not_matter(kind: Any):
    # Before it: created, in progress, added, part, fragment, done, completed.
    async with served([Reply("Hi")], {0: Fault(kind, after=7)}) as (server, model):
        server.events = and_more
        got = await answer(model, [user("x")], [])
        assert (got.message["content"], len(server.requests)) == ("Hi", 1)


def and_more(reply: Reply, wire: Wire, identity: str) -> list[bytes]:
    return [*openai_server.events(reply, wire, identity), b": more\n\n"]


async def test_the_connection_is_kept():
    async with served([Reply("Hi")]) as (server, model):
        for _ in range(3):
            await answer(model, [user("x")], [])
    assert len(set(server.peers)) == 1


def test_a_whole_conversation():
    messages = [
        system("Be brief."),
        user("Look"),
        assistant("I look.", [ToolCall("a", "f", {"x": "ä"}), ToolCall("b" * 65, "f")]),
        observed(Observation("a", "f", "one")),
        observed(Observation("b" * 65, "f", "")),
        assistant(""),
        user("Go on"),
    ]
    body = request(messages, [TOOL], "gpt-x")
    short = body["input"][4]["call_id"]
    assert len(short) <= 64
    assert body == {
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x": "ä"}'},
            {"type": "function_call", "call_id": short, "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "one"},
            {"type": "function_call_output", "call_id": short, "output": ""},
            {"role": "user", "content": "Go on"},
        ],
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "F.",
                "parameters": {"type": "object"},
                "strict": False,
            }
        ],
    }


def test_one_cache_key_for_a_conversation():
    start = [system("Be brief."), user("Look")]
    keys = {cache_key(start), cache_key([*start, assistant("So."), user("Go on")])}
    assert len(keys) == 1
    assert keys != {cache_key([system("Be brief."), user("Listen")])}


async def test_reasoning_goes_back_unchanged_and_in_its_place():
    first = Reply("I look.", [{"name": "f", "arguments": {}}], thinking="Hm.")
    async with served([first, Reply("Ok")]) as (server, model):
        reply = await answer(model, [user("x")], [TOOL])
        made = calls(reply.message)
        history = [user("x"), reply.message, observed(Observation(made[0].id, "f", "r"))]
        await answer(model, history, [TOOL])
    sent = server.requests[1]["input"]
    assert sent[1:4] == [
        {
            "id": "rs_answer_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "sealed_answer_0",
        },
        {"role": "assistant", "content": "I look.", "phase": "commentary"},
        {"type": "function_call", "call_id": made[0].id, "name": "f", "arguments": "{}"},
    ]
    asked = server.requests[0]
    assert (asked["store"], asked["include"]) == (False, ["reasoning.encrypted_content"])
    assert asked["max_output_tokens"] == 16
    # Another model of the same provider, and other providers, get none of it.
    assert "sealed" not in str(request(history, [], "gpt-y"))
    assert "sealed" not in str(to_chat(history, []))
    assert "sealed" not in str(to_anthropic(history, []))


def kept(*items: Wire) -> Message:
    *events, stop = whole(*items)
    words = "".join(event.text for event in events if isinstance(event, Text))
    message = assistant(words, [event for event in events if isinstance(event, ToolCall)])
    assert isinstance(stop, Stop)
    assert stop.provider
    message["provider"] = stop.provider
    return message


def test_reasoning_stands_only_before_what_followed_it():
    one, two = THOUGHT | {"id": "1"}, THOUGHT | {"id": "2"}
    plain = THOUGHT | {"id": "3", "encrypted_content": None}
    message = kept(one, said(text("So"), phase="commentary"), plain, CALL, two)
    kinds = [entry.get("type", "text") for entry in request([message], [], "gpt-x")["input"]]
    assert kinds == ["reasoning", "text", "function_call"]
    changed: Message = {**message, "content": "Redacted"}
    assert request([changed], [], "gpt-x")["input"][0] == {
        "role": "assistant",
        "content": "Redacted",
    }
    fewer: Message = {**message, "tool_calls": []}
    assert request([fewer], [], "gpt-x")["input"] == [{"role": "assistant", "content": "So"}]


def refusal(param: str, code: str = "", status: int = 400) -> Fault:
    error = {"type": "invalid_request_error", "param": param, "code": code, "message": "not this"}
    return Fault("status", status, body={"error": error})


async def test_wishes_that_are_refused_are_dropped_for_good():
    faults = dict(enumerate([refusal("reasoning.summary"), refusal("include"), refusal("stream")]))
    body = json.dumps({"status": "completed", "output": [said(text("Hi"))]}).encode()
    piece = Reply(body=body, content_type="application/json")
    async with served([piece], faults) as (server, model):
        assert (await answer(model, [user("x")], [])).message["content"] == "Hi"
        await answer(model, [user("x")], [])
        assert len(server.requests) == 5
    assert server.requests[1]["include"]
    assert "reasoning" not in server.requests[1]
    assert not {"include", "reasoning"} & set(server.requests[4])
    assert [request["stream"] for request in server.requests] == [True] * 3 + [False] * 2


async def test_reasoning_that_is_refused_stays_away():
    message = kept(THOUGHT, said(text("So")))
    faults = {0: refusal("", "invalid_encrypted_content")}
    async with served([Reply("-"), Reply("Hi")], faults) as (server, model):
        assert (await answer(model, [message, user("x")], [])).message["content"] == "Hi"
    assert "sealed" in str(server.requests[0])
    assert "sealed" not in str(server.requests[1])
    assert server.requests[1]["include"]


async def test_other_refusals_are_refusals():
    faults = dict.fromkeys(range(9), refusal("temperature"))
    async with served([Reply("Hi")], faults) as (server, model):
        with pytest.raises(ModelError, match="not this"):
            await answer(model, [user("x")], [])
        assert len(server.requests) == 1


def cassettes() -> Iterator[Any]:
    for path in sorted(DATA.glob("wire_simonw/llm/test_openai_responses/*.yaml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        if len(content["interactions"]) > 1:
            yield pytest.param(content["interactions"], id=path.stem)


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not here")
@pytest.mark.parametrize("interactions", list(cassettes()))
async def test_recorded_conversations_go_on_as_recorded(interactions: list[Any]):
    """OpenAI accepted these requests: ours carry the same items, the phase besides."""
    requests: list[Wire] = [json.loads(entry["request"]["body"]) for entry in interactions]
    replies = [recorded(entry["response"]) for entry in interactions]
    history: list[Message] = [user(requests[0]["input"][0]["content"])]
    async with served(replies, name=requests[0]["model"]) as (server, model):
        nothing: Wire = {"input": []}
        for wire, following in zip(requests, [*requests[1:], nothing], strict=True):
            history.append((await answer(model, history, [])).message)
            new: list[Wire] = following["input"][len(wire["input"]) :]
            history += [
                observed(Observation(entry["call_id"], "f", entry["output"]))
                for entry in new
                if entry["type"] == "function_call_output"
            ]
    sent: list[Wire] = [entry for request in server.requests for entry in request["input"]]
    for entry in sent:
        entry.pop("phase", None)
    assert sent == [entry for request in requests for entry in request["input"]]


def recorded(response: Wire) -> Reply:
    body: Any = response["body"]["string"]
    headers = {name.lower(): value[0] for name, value in response["headers"].items()}
    return Reply(
        body=body.encode() if isinstance(body, str) else body,
        content_type=headers["content-type"],
        encoding=headers.get("content-encoding", ""),
    )
