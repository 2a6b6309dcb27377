"""A conversation as a request of OpenAI's Chat Completions, arguments as JSON text."""

import json
from collections.abc import Sequence
from typing import Any

from agent.message import Image, Message, blind
from agent.model import Required
from tools.schema import ToolSchema

Wire = dict[str, Any]


def request(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Wire:
    """The parts of a request that come from the conversation: messages and tools."""
    body: Wire = {"messages": [_message(message) for message in messages]}
    if tools:
        body["tools"] = list(tools)
    if isinstance(tools, Required):
        # Servers of open models hold the whole call to its schema then.
        body["tool_choice"] = "required"
    return body


def _message(message: Message) -> Wire:
    if message["role"] == "tool":
        # Its results are text and nothing else.
        message = blind(message)
    wire: Wire = {"role": message["role"], "content": _content(message)}
    if message["role"] == "tool":
        wire["tool_call_id"] = message.get("tool_call_id", "")
    if entries := message.get("tool_calls"):
        wire["tool_calls"] = [
            {
                "id": entry["id"],
                "type": "function",
                "function": {
                    "name": entry["function"]["name"],
                    "arguments": json.dumps(entry["function"]["arguments"], ensure_ascii=False),
                },
            }
            for entry in entries
        ]
    return wire


def _content(message: Message) -> str | list[Wire]:
    if not (images := message.get("images")):
        return message["content"]
    said: list[Wire] = [{"type": "text", "text": message["content"]}] if message["content"] else []
    return [*said, *({"type": "image_url", "image_url": {"url": url(image)}} for image in images)]


def url(image: Image) -> str:
    """A picture as an address that holds it."""
    return f"data:{image['media_type']};base64,{image['data']}"
