"""Who searches the web: ddgs, a SearXNG server, or Brave with a key.

The user chooses one in the settings, and with that which service is told the queries.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from sandbox.refused import Refused
from tools.call import ToolError

_SECONDS = 15
MISSING = 'The web needs more than is installed: the user can run `pip install "assistant[web]"`.'
_BRAVE = "https://api.search.brave.com"


@dataclass(frozen=True)
class Result:
    """One thing that was found. It is untrusted."""

    title: str
    url: str
    about: str


class Engine(Protocol):
    """Searches the web."""

    async def search(self, query: str, most: int) -> Sequence[Result]:
        """What is found for a query, best first.

        Raises:
            ToolError: it cannot be asked, or its answer cannot be read.
        """
        ...


@dataclass(frozen=True)
class Ddgs:
    """Public engines, asked by the `ddgs` library; needs no key."""

    async def search(self, query: str, most: int) -> Sequence[Result]:
        """See `Engine`."""
        return await asyncio.to_thread(self._search, query, most)

    def _search(self, query: str, most: int) -> Sequence[Result]:
        try:
            from ddgs import DDGS  # pyright: ignore[reportUnknownVariableType]
            from ddgs.exceptions import DDGSException
        except ImportError:
            raise ToolError(MISSING) from None
        try:
            found: object = DDGS(timeout=_SECONDS).text(query, max_results=most)
        except DDGSException as error:
            if "No results" in str(error):
                return []
            # What it says of each engine that it tried is long.
            raise ToolError(f"The search did not work: {str(error)[:150]}.") from None
        return _results(found, "href", "body", most)


@dataclass(frozen=True)
class SearXNG:
    """A server of SearXNG; its settings must allow the format json."""

    url: str

    async def search(self, query: str, most: int) -> Sequence[Result]:
        """See `Engine`."""
        url = f"{self.url.rstrip('/')}/search"
        answer = await _json(url, {"q": query, "format": "json"}, {})
        return _results(answer.get("results"), "url", "content", most)


@dataclass(frozen=True)
class Brave:
    """Brave's search service."""

    key: str
    url: str = _BRAVE

    async def search(self, query: str, most: int) -> Sequence[Result]:
        """See `Engine`."""
        answer = await _json(
            f"{self.url}/res/v1/web/search",
            {"q": query, "count": str(most)},
            {"X-Subscription-Token": self.key},
        )
        web = answer.get("web")
        found = _object(web).get("results")
        return _results(found, "url", "description", most)


def engine_of(text: str, environ: Mapping[str, str] = os.environ) -> Engine | None:
    """The engine that a setting means; None where it is empty.

    Raises:
        Refused: there is no such engine, or its key is missing.
    """
    if not text:
        return None
    if text.startswith(("http://", "https://")):
        return SearXNG(text)
    if text == "ddgs":
        return Ddgs()
    if text != "brave":
        raise Refused(
            f"web.search is '{text}', which is no search engine: set it to ddgs, brave, or the "
            "address of a SearXNG server."
        )
    key = environ.get("BRAVE_API_KEY")
    if not key:
        raise Refused("web.search is brave, but BRAVE_API_KEY is not set: export it.")
    return Brave(key)


async def _json(url: str, query: dict[str, str], headers: dict[str, str]) -> Mapping[str, object]:
    from httpx2 import AsyncClient, HTTPError, InvalidURL

    try:
        async with AsyncClient(timeout=_SECONDS, headers=headers) as client:
            response = await client.get(url, params=query)
            if response.status_code != 200:
                raise ToolError(f"The search service answered {response.status_code}.")
            answer = _object(response.json())
    except (HTTPError, InvalidURL, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ToolError(f"The search service cannot be asked: {reason}.") from None
    if not answer:
        raise ToolError("The search service gave an answer that cannot be read.")
    return answer


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _results(found: object, url: str, about: str, most: int) -> Sequence[Result]:
    """Those that are complete; the rest of what a service says is dropped."""
    listed = cast("list[object]", found) if isinstance(found, list) else []
    results = [
        Result(str(entry.get("title") or ""), str(entry[url]), str(entry.get(about) or ""))
        for entry in map(_object, listed)
        if entry.get(url)
    ]
    return results[:most]
