"""Ids of calls in the form that a chat template takes: other models' ids may look different."""

import hashlib
import re
from collections.abc import Sequence

from agent.formats import format_of
from agent.message import Message

_NINE = re.compile(r"[A-Za-z0-9]{9}")


def accepted(messages: Sequence[Message], template: str) -> list[Message]:
    """The messages with ids that the template renders; the same id becomes the same every time.

    Mistral's templates refuse all but nine letters or digits, so a history that a teacher has
    written in would end the conversation. Others take any id.
    """
    if format_of(template) != "mistral":
        return list(messages)
    return [_with_nine(message) for message in messages]


def _with_nine(message: Message) -> Message:
    changed = message.copy()
    if "tool_calls" in message:
        changed["tool_calls"] = [
            {**entry, "id": _nine(entry["id"])} for entry in message["tool_calls"]
        ]
    if "tool_call_id" in message:
        changed["tool_call_id"] = _nine(message["tool_call_id"])
    return changed


def _nine(identity: str) -> str:
    if _NINE.fullmatch(identity):
        return identity
    return hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:9]
