"""The HTTP client beneath the SDKs, with bounds."""

from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import TYPE_CHECKING, TypedDict

from agent.models.settings import ModelSettings
from agent.models.wire import Flood

if TYPE_CHECKING:
    from httpx2 import AsyncByteStream, AsyncClient, Response, Timeout

MOST = 64 * 2**20
"""Bytes of one response. The longest answers (128,000 tokens, a chunk each) have about half."""
MOST_LINE = 16 * 2**20
"""Bytes without a line's end: Anthropic's SDK copies all of them with each piece that arrives."""

_CONNECT = 15.0
"""Seconds."""


class Options(TypedDict):
    """What both SDKs' clients are made with."""

    max_retries: int
    timeout: "Timeout"
    http_client: "AsyncClient"


def options(settings: ModelSettings) -> Options:
    """For a client that repeats nothing by itself and takes at most `MOST` bytes of a response.

    The SDKs know one timeout for the first byte and for those between; this is the longer one, and
    `wire.timely` holds both.
    """
    from httpx2 import AsyncClient, Limits, Timeout

    longest = max(settings.first_timeout, settings.timeout) + 1
    timeout = Timeout(longest, connect=min(_CONNECT, settings.first_timeout))
    client = AsyncClient(
        timeout=timeout,
        limits=Limits(max_connections=1000, max_keepalive_connections=100),
        follow_redirects=True,
        event_hooks={"response": [_bounded]},
    )
    return {"max_retries": 0, "timeout": timeout, "http_client": client}


async def _bounded(response: "Response") -> None:
    """Count what arrives: an event without an end would fill the memory inside the SDK."""
    from httpx2 import AsyncByteStream

    if isinstance(response.stream, AsyncByteStream):
        response.stream = _counting()(response.stream)


@cache
def _counting() -> "Callable[[AsyncByteStream], AsyncByteStream]":
    from httpx2 import AsyncByteStream

    class Counting(AsyncByteStream):
        def __init__(self, inner: AsyncByteStream) -> None:
            self._inner, self._left, self._line = inner, MOST, 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._inner:
                self._left -= len(piece)
                end = piece.rfind(b"\n")
                self._line = len(piece) - end - 1 + (self._line if end < 0 else 0)
                if self._left < 0 or self._line > MOST_LINE:
                    most = f"{MOST >> 20} MB" if self._left < 0 else f"{MOST_LINE >> 20} MB a line"
                    raise Flood(f"it sent more than {most}")
                yield piece

        async def aclose(self) -> None:
            await self._inner.aclose()

    return Counting
