"""A conversation as a request of Anthropic's Messages API.

An append-only conversation gives requests of which each begins with the one before it, byte for
byte, apart from the cache breakpoints, which are no part of what is compared.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from agent.message import Message
from agent.models.anthropic_thinking import Prefix, laid_out
from tools.schema import ToolSchema

Wire = dict[str, Any]

_CACHED: Wire = {"type": "ephemeral"}
_LOOKBACK = 20
"""Blocks in which Anthropic looks for an entry, beginning with that of a breakpoint."""


def request(
    messages: Sequence[Message], tools: Sequence[ToolSchema], prefix: Prefix | None = None
) -> Wire:
    """The parts of a request that come from the conversation: system, messages and tools.

    `prefix`, if given, is a new one; it ends up as what stands before the answer.

    There are at most four cache breakpoints: one after tools and system prompt, which never change,
    the others as `_mark` sets them.
    """
    system, rest = _split(messages)
    body: Wire = {}
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
    prefix = prefix or Prefix()
    prefix.add("tools", body.get("tools", []))
    prefix.add("system", body.get("system", []))
    body["messages"] = _turns(rest, prefix)
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


def _turns(messages: Sequence[Message], prefix: Prefix) -> list[Wire]:
    """Turns that alternate; a turn without blocks is left out, since the API refuses it."""
    turns: list[Wire] = []
    ids = _Ids()
    for message in messages:
        blocks = _blocks(message, prefix, ids)
        role = "assistant" if message["role"] == "assistant" else "user"
        prefix.add(role, blocks)
        if blocks and turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message, prefix: Prefix, ids: "_Ids") -> list[Wire]:
    if message["role"] == "tool":
        identity = ids.of_result(message.get("tool_call_id", ""))
        result: Wire = {"type": "tool_result", "tool_use_id": identity}
        if images := _images(message):
            result["content"] = [*_text(message["content"]), *images]
        elif message["content"]:
            result["content"] = message["content"]
        return [result]
    if message["role"] != "assistant":
        return [*_text(message["content"]), *_images(message)]
    calls = [
        {
            "type": "tool_use",
            "id": ids.of_call(entry["id"]),
            "name": entry["function"]["name"],
            "input": entry["function"]["arguments"],
        }
        for entry in message.get("tool_calls", [])
    ]
    return laid_out(message, calls, prefix) or [*_text(message["content"]), *calls]


def _images(message: Message) -> list[Wire]:
    return [
        {"type": "image", "source": {"type": "base64", **image}}
        for image in message.get("images", [])
    ]


def _text(text: str) -> list[Wire]:
    """A text block, unless it would be blank, which the API refuses."""
    return [{"type": "text", "text": text}] if text.strip() else []


class _Ids:
    """Ids in the letters that the API allows, of which no two calls have the same one.

    The API refuses both, and other models' calls may have them: some servers number anew in every
    answer, and a local model does so after a compaction.
    """

    def __init__(self) -> None:
        self._made = Counter[str]()
        self._open: list[tuple[str, str]] = []
        """Calls without a result yet: the id that the history has, and ours."""

    def of_call(self, identity: str) -> str:
        """A new one."""
        plain = name = _plain(identity)
        while name in self._made:
            self._made[plain] += 1
            name = f"{plain}_{self._made[plain]}"
        self._made[name] += 1
        self._open.append((identity, name))
        return name

    def of_result(self, identity: str) -> str:
        """The one of the first call that waits for this result."""
        waiting = next((pair for pair in self._open if pair[0] == identity), None)
        if waiting is None:
            return _plain(identity)
        self._open.remove(waiting)
        return waiting[1]


def _plain(identity: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", identity) or "_"
