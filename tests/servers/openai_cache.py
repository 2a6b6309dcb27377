"""OpenAI's prompt cache as its documentation describes it, for the scripted server.

    with ModelServer(caching(PrefixCache()), replies) as server: ...

Not modelled: that entries expire, that requests may meet another machine, and tokens (four bytes
are one).
"""

import json
from itertools import takewhile
from typing import Any

from tests.servers import openai_server
from tests.servers.model_server import Events, Reply, Wire

SHORTEST = 1024
"""Tokens below which nothing is cached."""
STEP = 128
"""Beyond that a prefix is found in steps of so many tokens."""


class PrefixCache:
    """Every prompt is an entry; a request reads the longest beginning that it has with one."""

    def __init__(self) -> None:
        self._entries: dict[str, list[bytes]] = {}

    def read(self, request: Wire) -> tuple[int, int]:
        """Tokens of a request, and how many of them were in the cache; all are from now on."""
        text = _text(request)
        entries = self._entries.setdefault(request["model"], [])
        common = max((_common(text, entry) for entry in entries), default=0) // 4
        entries.append(text)
        found = common // STEP * STEP if common >= SHORTEST else 0
        return len(text) // 4, found


def caching(cache: PrefixCache) -> Events:
    """Both protocols of the scripted server, with counts from a cache."""

    def events(reply: Reply, request: Wire, identity: str) -> list[bytes]:
        size, found = cache.read(request)
        return [
            _counted(event, size, found) for event in openai_server.events(reply, request, identity)
        ]

    return events


def _counted(event: bytes, size: int, found: int) -> bytes:
    """The event, its usage replaced by what the cache says."""
    head, mark, data = event.partition(b"data: ")
    if not mark or data.startswith(b"[DONE]"):
        return event
    told: Wire = json.loads(data)
    usage: Any = (told.get("response") or told).get("usage")
    if usage:
        kind = "input" if "input_tokens" in usage else "prompt"
        usage |= {f"{kind}_tokens": size, f"{kind}_tokens_details": {"cached_tokens": found}}
    return head + mark + json.dumps(told).encode() + b"\n\n"


def _text(request: Wire) -> bytes:
    """What is rendered of a request, in the order in which it is."""
    parts = [request.get("tools"), request.get("instructions")]
    parts += request.get("messages") or request.get("input") or []
    return "\n".join(json.dumps(part, ensure_ascii=False) for part in parts).encode()


def _common(left: bytes, right: bytes) -> int:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))
    return sum(1 for _ in same)
