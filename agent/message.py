"""The one message format: OpenAI chat messages, arguments as objects.

It is what chat templates and llama.cpp take, what episodes store and what the student is trained
on. Adapters of other protocols convert at their edge.
"""

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Literal, NotRequired, TypedDict

from tools.call import JSON, Observation, ToolCall

Role = Literal["system", "user", "assistant", "tool"]


class FunctionCall(TypedDict):
    """Name and arguments of a call; arguments are an object, never text."""

    name: str
    arguments: dict[str, JSON]


class CallEntry(TypedDict):
    """One element of an assistant message's `tool_calls`."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class Image(TypedDict):
    """A picture."""

    media_type: str
    """`image/png`, `image/jpeg`, `image/gif` or `image/webp`."""
    data: str
    """Base64."""


class Message(TypedDict):
    """One chat message."""

    role: Role
    content: str
    tool_calls: NotRequired[list[CallEntry]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    """Of the tool, on tool messages."""
    provider: NotRequired[dict[str, JSON]]
    """What one provider wants back verbatim (thinking blocks); others ignore it."""
    images: NotRequired[list[Image]]
    """On messages of users and tools, for models that can see: they come after the text."""
    kept_from: NotRequired[int]
    """On the message of a compaction, which no model sees as it is: see agent/compact.py."""


def system(text: str) -> Message:
    """The system message."""
    return {"role": "system", "content": text}


def user(text: str, images: Sequence[Image] = ()) -> Message:
    """A user message; `images` is left out when there are none."""
    message: Message = {"role": "user", "content": text}
    if images:
        message["images"] = list(images)
    return message


def assistant(text: str, calls: Sequence[ToolCall] = ()) -> Message:
    """An assistant message; `tool_calls` is left out when there are none."""
    message: Message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in calls
        ]
    return message


def observed(observation: Observation) -> Message:
    """The tool message that answers a call."""
    return {
        "role": "tool",
        "tool_call_id": observation.call_id,
        "name": observation.name,
        "content": observation.text,
    }


def blind(message: Message) -> Message:
    """The message for a reader that cannot see: a line of text says that one was there."""
    if "images" not in message:
        return message
    plain = message.copy()
    del plain["images"]
    note = "(A picture was attached here, which you cannot see.)"
    plain["content"] = f"{message['content']}\n{note}" if message["content"] else note
    return plain


def whole(message: Message) -> Message:
    """The message with U+FFFD for each half of a character.

    Servers and odd input bytes bring such halves; no database, tokenizer or process takes them.
    """
    text = json.dumps(message, ensure_ascii=False)
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return message if sound == text else json.loads(sound)


def calls(message: Message) -> list[ToolCall]:
    """The tool calls of a message, in order."""
    return [
        ToolCall(entry["id"], entry["function"]["name"], entry["function"]["arguments"])
        for entry in message.get("tool_calls", [])
    ]


def unanswered(messages: Sequence[Message]) -> list[ToolCall]:
    """The calls of the last answer that have no result yet, in order."""
    after = list(takewhile(lambda message: message["role"] != "assistant", reversed(messages)))
    if len(after) == len(messages):
        return []
    # Counted, since models give two calls the same id.
    results = sum(message["role"] == "tool" for message in after)
    return calls(messages[-1 - len(after)])[results:]
