"""Requests as JSON, of which only what was appended is encoded anew."""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from agent.message import Message

Wire = dict[str, Any]

_CONVERSATIONS = 32
"""How many are remembered: as many as one model may well serve at a time."""


class History:
    """Encodes conversations for one protocol."""

    def __init__(self, wire: Callable[[Message], Sequence[Wire]]) -> None:
        """`wire`: a message in the protocol's form, by the message alone."""
        self._wire = wire
        self._known: OrderedDict[tuple[str, ...], list[tuple[Message, bytes]]] = OrderedDict()
        """By the start of a conversation: its messages at the last request."""

    def __call__(self, messages: Sequence[Message]) -> bytes:
        """The elements of a JSON list, without its brackets."""
        start = tuple(message["content"] for message in messages[:2])
        known = self._known.pop(start, [])
        encoded = [
            known[at]
            # By value: a checkpoint gives back other objects, and a message may have been changed.
            if at < len(known) and known[at][0] == message
            # A copy, to notice that.
            else (message.copy(), self._encoded(message))
            for at, message in enumerate(messages)
        ]
        self._known[start] = encoded
        while len(self._known) > _CONVERSATIONS:
            self._known.popitem(last=False)
        return b",".join(text for _, text in encoded if text)

    def _encoded(self, message: Message) -> bytes:
        return b",".join(dumps(item) for item in self._wire(message))


def body(rest: Wire, **lists: bytes) -> bytes:
    """A whole request: `rest`, and in their places lists of which the elements are encoded."""
    rest = {name: value for name, value in rest.items() if name not in lists}
    parts = [f'"{name}":['.encode() + elements + b"]" for name, elements in lists.items()]
    return b"{" + b",".join([dumps(rest)[1:-1], *parts]) + b"}"


def dumps(value: object) -> bytes:
    """JSON as the SDKs write it.

    Halves of characters (which no JSON in UTF-8 can hold) become question marks.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")
