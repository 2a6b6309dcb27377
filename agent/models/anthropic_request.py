"""A conversation as a request of Anthropic's Messages API.

An append-only conversation gives requests of which each begins with the one before it, byte for
byte, apart from the cache breakpoints, which are no part of what is compared.
"""

import re
from collections.abc import Sequence
from typing import Any, cast

from agent.message import Message
from tools.schema import ToolSchema

Wire = dict[str, Any]

_CACHED: Wire = {"type": "ephemeral"}


def request(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Wire:
    """The parts of a request that come from the conversation: system, messages and tools.

    Two kinds of cache breakpoints are set: after system prompt and tools, which never change, and
    on the last two user turns: the newest one writes the cache that the next request reads, and
    the one before it is found even where a step appended more blocks than Anthropic looks back.
    """
    system, rest = _split(messages)
    body: Wire = {"messages": _turns(rest)}
    if tools:
        body["tools"] = [
            {
                "name": tool["function"]["name"],
                "description": tool["function"]["description"],
                "input_schema": tool["function"]["parameters"],
            }
            for tool in tools
        ]
    if system:
        body["system"] = [{"type": "text", "text": system, "cache_control": _CACHED}]
    elif tools:
        body["tools"][-1]["cache_control"] = _CACHED
    asked = [turn for turn in body["messages"] if turn["role"] == "user"]
    for turn in asked[-2:]:
        turn["content"][-1]["cache_control"] = _CACHED
    return body


def _split(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The system prompt and what follows it. A later system message stays where it is."""
    start = next((at for at, m in enumerate(messages) if m["role"] != "system"), len(messages))
    return "\n\n".join(message["content"] for message in messages[:start]), messages[start:]


def _turns(messages: Sequence[Message]) -> list[Wire]:
    """Turns that alternate; a turn without blocks is left out, since the API refuses it."""
    turns: list[Wire] = []
    for message in messages:
        blocks = _blocks(message)
        role = "assistant" if message["role"] == "assistant" else "user"
        if blocks and turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[Wire]:
    if message["role"] == "tool":
        result: Wire = {"type": "tool_result", "tool_use_id": _id(message.get("tool_call_id", ""))}
        if message["content"]:
            result["content"] = message["content"]
        return [result]
    if message["role"] != "assistant":
        return _text(message["content"])
    calls = [
        {
            "type": "tool_use",
            "id": _id(entry["id"]),
            "name": entry["function"]["name"],
            "input": entry["function"]["arguments"],
        }
        for entry in message.get("tool_calls", [])
    ]
    return _with_thinking(message, calls) or [*_text(message["content"]), *calls]


def _with_thinking(message: Message, calls: list[Wire]) -> list[Wire]:
    """The blocks in the order in which they came; none where there was no thinking.

    The API takes thinking back only unchanged and in its place; `layout` says where that was.
    """
    kept = cast("Wire", message.get("provider", {}).get("anthropic") or {})
    layout: list[Wire] = kept.get("layout", [])
    text, waiting = message["content"], list(calls)
    if sum(part.get("length", 0) for part in layout) != len(text):
        # The text was changed since (redacted, most likely): thinking would no longer match it.
        return []
    blocks: list[Wire] = []
    for part in layout:
        if part["type"] == "text":
            blocks += _text(text[: part["length"]])
            text = text[part["length"] :]
        elif part["type"] == "tool_use":
            blocks += waiting[:1]
            del waiting[:1]
        else:
            blocks.append(dict(part))
    return [*blocks, *waiting] if blocks else []


def _text(text: str) -> list[Wire]:
    """A text block, unless it would be blank, which the API refuses."""
    return [{"type": "text", "text": text}] if text.strip() else []


def _id(identity: str) -> str:
    """A call's id in the letters that the API allows; other models' ids may hold more."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", identity) or "_"
