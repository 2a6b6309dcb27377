"""Fragments as servers really send them, beyond what the recordings hold."""

from typing import Any

import pytest

from agent.message import Message, assistant, observed, user
from agent.model import Event, Malformed, Stop, Text
from agent.models.openai_answer import OpenAIAnswer
from agent.models.openai_request import request
from agent.models.wire import Cut
from tools.call import Observation, ToolCall


def read(*deltas: dict[str, Any], stop: str | None = "tool_calls") -> list[Event]:
    answer = OpenAIAnswer(4)
    events: list[Event] = []
    for delta in deltas:
        events += answer.take({"choices": [{"delta": delta}]})
    last: dict[str, Any] = {"delta": {}, "finish_reason": stop}
    events += answer.take({"choices": [last]})
    return [*events, *answer.finish()]


def part(index: int | None, identity: str | None, name: str | None, text: str) -> dict[str, Any]:
    function = {"name": name, "arguments": text}
    return {"tool_calls": [{"index": index, "id": identity, "function": function}]}


A, B = ToolCall("a", "f", {"x": 1}), ToolCall("b", "g", {})


@pytest.mark.parametrize(
    "deltas",
    [
        [part(0, "a", "f", '{"x"'), part(0, None, None, ": 1}"), part(1, "b", "g", "{}")],
        [part(0, "a", "f", '{"x"'), part(1, "b", "g", ""), part(0, None, None, ": 1}")],
        [part(0, "a", "f", '{"x": 1}'), part(0, "b", "g", "{}")],
        [part(None, "a", "f", '{"x": 1}'), part(None, "b", "g", "")],
        [part(0, "a", "f", '{"x"'), part(0, "a", "f", ": 1}"), part(1, "b", "g", "{}")],
    ],
    ids=["in turn", "interleaved", "all are 0", "no index", "repeated"],
)
def test_fragments(deltas: list[dict[str, Any]]):
    assert read(*deltas) == [A, B, Stop("calls")]


def test_calls_without_ids_get_stable_ones():
    call = ToolCall("call_4_0", "f", {})
    assert read(part(0, None, "f", "{}"), stop="stop") == [call, Stop("calls")]


def test_a_call_without_a_name_is_malformed():
    assert read(part(0, "a", None, "{}"))[0] == Malformed("({})", "the call has no name")


@pytest.mark.parametrize("stop", ["length", "content_filter"])
def test_a_call_that_breaks_off_before_its_arguments_is_malformed(stop: str):
    cut = [part(0, "a", "g", ""), part(1, "b", "f", "")]
    first, second, _ = read(*cut, stop=stop)
    assert first == ToolCall("a", "g", {})
    assert second == Malformed("f()", "the call breaks off")


def test_a_refusal():
    assert read({"refusal": "No."}, stop="stop") == [Text("No."), Stop("refusal")]
    assert read({"content": "x"}, stop="content_filter")[-1] == Stop("refusal")


def test_no_end_is_a_cut():
    with pytest.raises(Cut):
        read({"content": "x"}, stop=None)


@pytest.mark.parametrize("delta", [{"content": [1]}, {"tool_calls": [3]}, {"tool_calls": 3}, 7])
def test_what_is_not_of_the_protocol(delta: Any):
    with pytest.raises(Cut, match="not of the protocol"):
        read(delta)


def test_arguments_are_text_on_the_wire():
    message = assistant("", [ToolCall("a", "f", {"x": "ä"})])
    message["provider"] = {"anthropic": {}}
    messages: list[Message] = [user("u"), message, observed(Observation("a", "f", "r"))]
    assert request(messages, []) == {
        "messages": [
            {"role": "user", "content": "u"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"x": "ä"}'},
                    }
                ],
            },
            {"role": "tool", "content": "r", "tool_call_id": "a"},
        ]
    }
