"""A conversation as a request of OpenAI's Responses API.

An append-only conversation gives requests of which each begins with the one before it.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

from agent.message import CallEntry, Message
from agent.model import Required
from agent.models.openai_request import url
from tools.schema import ToolSchema

Wire = dict[str, Any]

_LONGEST_ID = 64


def request(messages: Sequence[Message], tools: Sequence[ToolSchema], thinker: str) -> Wire:
    """The parts of a request that come from the conversation: input and tools.

    Args:
        messages: the conversation.
        tools: what the model may call.
        thinker: the model whose reasoning goes back to it; that of all others is left out, and
            all of it where this is empty.
    """
    body: Wire = {"input": [item for message in messages for item in _items(message, thinker)]}
    if tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool["function"]["name"],
                "description": tool["function"]["description"],
                "parameters": tool["function"]["parameters"],
                # Otherwise the API makes every optional argument a required one.
                "strict": False,
            }
            for tool in tools
        ]
    if isinstance(tools, Required):
        body["tool_choice"] = "required"
    return body


def cache_key(messages: Sequence[Message]) -> str:
    """The same for all requests of a conversation, so that they meet the same cache."""
    start = [message["content"] for message in messages if message["role"] != "assistant"][:2]
    return hashlib.sha256(json.dumps(start).encode()).hexdigest()[:32]


def _items(message: Message, thinker: str) -> list[Wire]:
    if message["role"] == "tool":
        identity = _id(message.get("tool_call_id", ""))
        return [{"type": "function_call_output", "call_id": identity, "output": _content(message)}]
    if message["role"] != "assistant":
        return [{"role": message["role"], "content": _content(message)}]
    made = [_call(entry) for entry in message.get("tool_calls", [])]
    return _laid_out(message, made, thinker) or [*_said(message["content"]), *made]


def _content(message: Message) -> str | list[Wire]:
    images, text = message.get("images", []), message["content"]
    said: list[Wire] = [{"type": "input_text", "text": text}] if text else []
    shown: list[Wire] = [
        {"type": "input_image", "detail": "auto", "image_url": url(image)} for image in images
    ]
    return [*said, *shown] if images else text


def _call(entry: CallEntry) -> Wire:
    function = entry["function"]
    return {
        "type": "function_call",
        "call_id": _id(entry["id"]),
        "name": function["name"],
        "arguments": json.dumps(function["arguments"], ensure_ascii=False),
    }


def _laid_out(message: Message, made: list[Wire], thinker: str) -> list[Wire]:
    """The items in the order in which they came; none where that is not known.

    The API takes reasoning back only unchanged, and only before what followed it.
    """
    kept = cast("Wire", message.get("provider", {}).get("openai") or {})
    layout: list[Wire] = kept.get("layout", [])
    text, waiting = message["content"], iter(made)
    lengths = sum(part.get("length", 0) for part in layout)
    if (lengths, [part["type"] for part in layout].count("function_call")) != (
        len(text),
        len(made),
    ):
        # The message was changed since (redacted, most likely): it no longer follows the reasoning.
        return []
    items: list[Wire] = []
    for part in layout:
        if part["type"] == "message":
            items += _said(text[: part["length"]], part.get("phase", ""))
            text = text[part["length"] :]
        elif part["type"] == "function_call":
            items.append(next(waiting))
        elif thinker and kept.get("model") == thinker:
            items.append(dict(part))
    while items and items[-1].get("type") == "reasoning":
        items.pop()
    return items


def _said(text: str, phase: str = "") -> list[Wire]:
    said: Wire = {"role": "assistant", "content": text}
    return [said | ({"phase": phase} if phase else {})] if text else []


def _id(identity: str) -> str:
    """A call's id in the length that the API allows; other models' ids may be longer."""
    if 0 < len(identity) <= _LONGEST_ID:
        return identity
    return f"call_{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
