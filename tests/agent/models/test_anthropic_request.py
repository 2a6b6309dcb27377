from typing import Any, cast

from agent.message import Message, assistant, observed, system, user
from agent.model import Reply, answer
from agent.models.anthropic import AnthropicModel
from agent.models.anthropic_request import request
from agent.models.settings import Endpoint, ModelSettings
from tests.servers import anthropic_server
from tests.servers import model_server as servers
from tools.call import JSON, Observation, ToolCall
from tools.schema import ToolSchema

TOOL: ToolSchema = {
    "type": "function",
    "function": {"name": "f", "description": "F.", "parameters": {"type": "object"}},
}
CACHED = {"type": "ephemeral"}


def result(call_id: str, text: str) -> Message:
    return observed(Observation(call_id, "f", text))


def test_a_whole_conversation():
    messages = [
        system("Be brief."),
        user("Look"),
        assistant("I look.", [ToolCall("a", "f", {"x": 1}), ToolCall("b.c:1", "f")]),
        result("a", "one"),
        result("b.c:1", ""),
        user("Go on"),
        assistant("Done."),
        user("Thanks"),
    ]
    assert request(messages, [TOOL]) == {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHED}],
        "tools": [{"name": "f", "description": "F.", "input_schema": {"type": "object"}}],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Look", "cache_control": CACHED}],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                    {"type": "tool_use", "id": "b_c_1", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "b_c_1"},
                    {"type": "text", "text": "Go on", "cache_control": CACHED},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Thanks", "cache_control": CACHED}],
            },
        ],
    }


def test_without_a_system_prompt_the_tools_are_the_breakpoint():
    body = request([user("x")], [TOOL])
    assert "system" not in body
    assert body["tools"][-1]["cache_control"] == CACHED


def test_blank_turns_are_left_out():
    messages = [user("x"), assistant(""), user("y"), assistant(" \n"), user("z")]
    turns = request(messages, [])["messages"]
    assert [turn["role"] for turn in turns] == ["user"]
    assert [block["text"] for block in turns[0]["content"]] == ["x", "y", "z"]


def test_no_two_calls_have_the_same_id():
    # As local models number anew after a compaction, and some servers in every answer.
    twice = [ToolCall("a.b", "f"), ToolCall("a.b", "f")]
    other = [ToolCall("a_b", "f"), ToolCall("a_b_2", "f")]
    history = [user("x")]
    for made in (twice, other):
        results = [result(call.id, str(n)) for n, call in enumerate(made)]
        history += [assistant("", made), *results]
    sent = [block for turn in request(history, [])["messages"] for block in turn["content"]]
    ids = [block["id"] for block in sent if block["type"] == "tool_use"]
    assert ids == ["a_b", "a_b_2", "a_b_3", "a_b_2_2"]
    assert [block["tool_use_id"] for block in sent if block["type"] == "tool_result"] == ids


def test_a_later_system_message_stays_in_its_place():
    body = request([system("a"), user("x"), system("b")], [])
    assert body["system"][0]["text"] == "a"
    assert body["messages"][0]["content"][1]["text"] == "b"


def test_at_most_four_breakpoints_and_a_growing_prefix():
    messages: list[Message] = [system("s")]
    before: list[Any] = []
    for number in range(6):
        messages += [user(f"u{number}"), assistant("a", [ToolCall(f"c{number}", "f")])]
        messages.append(result(f"c{number}", "r"))
        body = request(messages, [TOOL])
        assert str(body).count("cache_control") <= 4
        blocks = plain(body["messages"])
        assert blocks[: len(before)] == before
        before = blocks


def plain(turns: list[dict[str, Any]]) -> list[Any]:
    """All blocks with their roles, without the breakpoints."""
    return [
        (turn["role"], {name: value for name, value in block.items() if name != "cache_control"})
        for turn in turns
        for block in turn["content"]
    ]


async def test_thinking_goes_back_unchanged_and_in_its_place():
    first = servers.Reply("I look.", [{"name": "f", "arguments": {}}], thinking="Hm.")
    with servers.ModelServer(anthropic_server.events, [first, servers.Reply("Ok")]) as server:
        model = AnthropicModel("m", "k", ModelSettings(), Endpoint(server.url))
        try:
            reply: Reply = await answer(model, [user("x")], [TOOL])
            call = reply.message.get("tool_calls", [])[0]
            history = [user("x"), reply.message, result(call["id"], "r")]
            await answer(model, history, [TOOL])
        finally:
            await model.close()
    sent = server.requests[1]["messages"][1]["content"]
    assert sent == [
        {"type": "thinking", "thinking": "Hm.", "signature": "signed_answer_0"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": call["id"], "name": "f", "input": {}},
    ]


def test_interleaved_thinking_keeps_its_order():
    thought = {"type": "thinking", "thinking": "t", "signature": "s"}
    message = assistant("onetwo", [ToolCall("a", "f"), ToolCall("b", "f")])
    parts = [
        thought,
        {"type": "text", "length": 3},
        thought,
        {"type": "tool_use"},
        {"type": "text", "length": 3},
        {"type": "tool_use"},
    ]
    message["provider"] = cast("dict[str, JSON]", {"anthropic": {"layout": parts}})
    sent = request([user("x"), message, user("y")], [])["messages"][1]["content"]
    kinds = [block["type"] for block in sent]
    assert kinds == ["thinking", "text", "thinking", "tool_use", "text", "tool_use"]
    assert [block["text"] for block in sent if block["type"] == "text"] == ["one", "two"]
    message["content"] = "changed"
    sent = request([user("x"), message, user("y")], [])["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["text", "tool_use", "tool_use"]
