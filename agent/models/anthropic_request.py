"""A conversation as a request of Anthropic's Messages API.

An append-only conversation gives requests of which each begins with the one before it, byte for
byte, apart from the cache breakpoints, which are no part of what is compared.
"""

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, cast

from agent.message import Message
from tools.schema import ToolSchema

Wire = dict[str, Any]

_CACHED: Wire = {"type": "ephemeral"}
_LOOKBACK = 20
"""Blocks in which Anthropic looks for an entry, beginning with that of a breakpoint."""


def request(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Wire:
    """The parts of a request that come from the conversation: system, messages and tools.

    There are at most four cache breakpoints: one after tools and system prompt, which never change,
    the others as `_mark` sets them.
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
    _mark(body["messages"])
    return body


def _mark(turns: list[Wire]) -> None:
    """Set breakpoints on three user turns.

    The last one writes the cache that the next request reads. The one before it is where the last
    request wrote, and is found even where a step appended more blocks than Anthropic looks back. A
    third one looks back from where the second ends: another model may have made some steps.
    """
    ends = list(accumulate(len(turn["content"]) for turn in turns))
    asked = [at for at, turn in enumerate(turns) if turn["role"] == "user"]
    near = [at for at in asked[:-2] if ends[at] >= ends[asked[-2]] - _LOOKBACK]
    for at in (*near[:1], *asked[-2:]):
        turns[at]["content"][-1]["cache_control"] = _CACHED


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
