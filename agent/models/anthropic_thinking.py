"""Claude's thinking: how much of it is asked for, and how it goes back.

The API takes thinking back only unchanged, in its place, and after what stood before it when it was
made. It may refuse a whole request otherwise, so thinking that no longer fits is left out.
"""

import hashlib
import json
import re
from typing import Any, cast

from agent.message import Message

Wire = dict[str, Any]

_BUDGETED = re.compile(r"claude-(opus|sonnet|haiku)-4(-[0-5])?(-\d{8})?$")
"""The last models that are given a number of tokens; later ones decide by themselves."""
_ALWAYS = re.compile(r"claude-[a-z]+-([5-9]|\d\d)\b")
"""Models that think without being asked, but show it only to those who ask."""
_BUDGETS = {"low": 2_048, "medium": 8_192, "high": 16_384}
_MOST = 32_768
_LEAST = 1_024


def effort(model: str, level: str, max_tokens: int) -> Wire:
    """The parameters for an effort such as `low` or `high`; an empty level leaves it to the model.

    Thinking counts as part of the answer: older models get half of `max_tokens` at most, and none
    where that is too little for the API.
    """
    if not _BUDGETED.match(model):
        shown: Wire = {"thinking": {"type": "adaptive", "display": "summarized"}}
        asked: Wire = {"output_config": {"effort": level}} if level else {}
        return shown | asked if level or _ALWAYS.match(model) else {}
    if not level:
        return {}
    budget = min(_BUDGETS.get(level, _MOST), max_tokens // 2)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= _LEAST else {}


class Prefix:
    """What stands before a message, as a digest that is the same in every process."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._waiting: list[object] = []

    def add(self, role: str, blocks: list[Wire]) -> None:
        """One message more. Breakpoints, which move, are no part of it."""
        self._waiting += [[role, block] for block in blocks]

    def value(self) -> str:
        """The digest up to here. Costs nothing until it is asked for."""
        for role, block in cast("list[tuple[str, Wire]]", self._waiting):
            plain = {name: value for name, value in block.items() if name != "cache_control"}
            self._digest.update(json.dumps([role, plain], ensure_ascii=False).encode())
        self._waiting = []
        return self._digest.hexdigest()[:32]


def layout(blocks: list[Wire]) -> list[Wire]:
    """What stood where in an answer, for `laid_out`; nothing where text and calls say it all."""
    parts: list[Wire] = []
    for block in blocks:
        if block["type"] == "text":
            parts.append({"type": "text", "length": len(block["text"])})
        elif block["type"] == "tool_use":
            parts.append({"type": "tool_use"})
        elif block["type"] != "thinking" or "signature" in block:
            # Thinking that was cut off has no signature, and is refused.
            parts.append(block)
    return parts if any(part["type"] not in ("text", "tool_use") for part in parts) else []


def laid_out(message: Message, calls: list[Wire], prefix: Prefix) -> list[Wire]:
    """The blocks in the order in which they came; none where thinking no longer fits."""
    kept = cast("Wire", message.get("provider", {}).get("anthropic") or {})
    parts: list[Wire] = kept.get("layout", [])
    text, waiting = message["content"], iter(calls)
    lengths = sum(part.get("length", 0) for part in parts)
    made = sum(part["type"] == "tool_use" for part in parts)
    # The message, or one before it, was changed since; or other tools are offered.
    if not parts or (lengths, made) != (len(text), len(calls)):
        return []
    if kept.get("prefix") and kept["prefix"] != prefix.value():
        return []
    blocks: list[Wire] = []
    for part in parts:
        if part["type"] == "text":
            piece, text = text[: part["length"]], text[part["length"] :]
            # The API refuses blank text.
            blocks += [{"type": "text", "text": piece}] if piece.strip() else []
        else:
            blocks.append(next(waiting) if part["type"] == "tool_use" else dict(part))
    while blocks and "thinking" in blocks[-1]["type"]:
        # A message may not end with it.
        blocks.pop()
    return blocks
