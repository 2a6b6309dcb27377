"""Anthropic's prompt cache as its documentation describes it, for the scripted server.

    with ModelServer(caching(PromptCache()), replies) as server: ...

Not modelled: that entries expire, how long writing takes, and tokens (four bytes are one).
"""

import hashlib
import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from tests.servers import anthropic_server
from tests.servers.model_server import Events, Reply, Wire

LOOKBACK = 20
"""Blocks at which a breakpoint looks for an entry: its own and those before it."""
BREAKPOINTS = 4


class PromptCache:
    """Entries are prefixes; they are written at breakpoints and nowhere else."""

    def __init__(self, minimum: int = 512) -> None:
        """`minimum` is the length in tokens below which nothing is cached."""
        self._minimum = minimum
        self._entries: set[bytes] = set()

    def usage(self, request: Wire) -> dict[str, int]:
        """What a request reads, writes and evaluates; what it writes is there from now on.

        Raises:
            ValueError: there are more breakpoints than the API allows.
        """
        blocks = list(_blocks(request))
        marked = [at for at, block in enumerate(blocks) if "cache_control" in block[1]]
        if len(marked) > BREAKPOINTS:
            raise ValueError(f"{len(marked)} blocks with cache_control; {BREAKPOINTS} are allowed")
        sizes, keys = _prefixes(request["model"], blocks)
        found = [
            at
            for mark in marked
            for at in range(max(0, mark - LOOKBACK + 1), mark + 1)
            if keys[at] in self._entries
        ]
        written = [at for at in marked if sizes[at] >= self._minimum]
        self._entries |= {keys[at] for at in written}
        read = max((sizes[at] for at in found), default=0)
        kept = max((sizes[at] for at in written), default=read)
        return {
            "input_tokens": sizes[-1] - max(read, kept),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": max(0, kept - read),
        }


def caching(cache: PromptCache) -> Events:
    """The scripted server's protocol, with counts from a cache."""

    def events(reply: Reply, request: Wire, identity: str) -> list[bytes]:
        return anthropic_server.events(reply, request, identity, cache.usage(request))

    return events


def _blocks(request: Wire) -> Iterator[tuple[str, Wire]]:
    """Everything that is rendered, in the order in which it is."""
    for tool in request.get("tools", []):
        yield "tools", tool
    for turn in [{"role": "system", "content": request.get("system", [])}, *request["messages"]]:
        content: Any = turn["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            yield turn["role"], block


def _prefixes(model: str, blocks: list[tuple[str, Wire]]) -> tuple[list[int], list[bytes]]:
    """Tokens and key of the prefix that ends with each block. Breakpoints are no part of it."""
    sizes, keys, digest = list[int](), list[bytes](), hashlib.sha256(model.encode())
    for role, block in blocks:
        plain = {name: value for name, value in block.items() if name != "cache_control"}
        text = json.dumps([role, plain], ensure_ascii=False).encode()
        digest.update(text)
        sizes.append(len(text))
        keys.append(digest.digest())
    return [total // 4 for total in accumulate(sizes)], keys
