"""What the web gives for an address, fetched by the rules of the network."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.network import Blocked, Network
from tools.call import ToolError
from tools.engines import Engine

if TYPE_CHECKING:
    from httpx2 import URL, AsyncClient, Response

_LARGEST = 4 * 2**20
"""Bytes of a page, after decompression."""
_SECONDS = 30.0
"""For one page, redirects included."""
_REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_AGENT = "Mozilla/5.0 (compatible; coding-assistant)"
_ACCEPT = "text/html,text/plain;q=0.9,application/json;q=0.9,*/*;q=0.5"


@dataclass(frozen=True)
class Web:
    """What of the web a session may use."""

    network: Network | None = None
    """Whose domains may be fetched; None is none."""
    engine: Engine | None = None
    """Who searches; None is nobody."""


@dataclass(frozen=True)
class Page:
    """What came for an address. It is untrusted."""

    url: str
    """Where it was in the end."""
    kind: str
    """Its media type in lower case, without parameters; empty where none was given."""
    charset: str
    """As declared; empty where it was not."""
    body: bytes


async def fetch(network: Network, address: str) -> Page:
    """Get a page; every step of a redirect is judged by the same rules.

    Raises:
        ToolError: the rules refuse it, it is too large or too slow, or no page.
    """
    from httpx2 import AsyncClient, AsyncHTTPTransport, TransportError

    try:
        # With a transport of its own no proxy of the environment is used, which would look the
        # name up again.
        async with (
            asyncio.timeout(_SECONDS),
            AsyncClient(transport=AsyncHTTPTransport(), timeout=_SECONDS) as client,
        ):
            return await _follow(network, client, _url(address))
    except Blocked as blocked:
        raise ToolError(str(blocked)) from None
    except TimeoutError:
        raise ToolError(f"{address} did not come within {_SECONDS:g} s.") from None
    except (TransportError, OSError) as error:
        raise ToolError(f"{address} cannot be fetched: {error or type(error).__name__}.") from None


def _url(address: str) -> "URL":
    from httpx2 import URL, InvalidURL

    try:
        url = URL(address)
    except InvalidURL as error:
        raise ToolError(f"{address[:200]} is no address: {error}.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ToolError(f"{address[:200]} is no http:// or https:// address.")
    if url.userinfo:
        raise ToolError("Addresses with a name and a password in them are not fetched.")
    return url


async def _follow(network: Network, client: "AsyncClient", url: "URL") -> Page:
    for _ in range(_REDIRECTS + 1):
        response = await _answer(network, client, url)
        try:
            place = response.headers.get("location")
            if response.status_code not in _MOVED or not place:
                return await _page(response, url)
            url = _url(str(url.join(place)))
        finally:
            await response.aclose()
    raise ToolError(f"{url} was the last of more than {_REDIRECTS} redirects.")


async def _answer(network: Network, client: "AsyncClient", url: "URL") -> "Response":
    """Ask the address that was judged: its name is only told, for the certificate too."""
    from httpx2 import ConnectError

    name = url.raw_host.decode()
    headers = {
        "Host": url.netloc.decode(), "User-Agent": _AGENT, "Accept": _ACCEPT,
        "Accept-Encoding": "gzip",
    }  # fmt: skip
    problem: Exception | None = None
    port = url.port or (443 if url.scheme == "https" else 80)
    for address in await network.addresses(url.host, port):
        request = client.build_request(
            "GET",
            url.copy_with(host=str(address)),
            headers=headers,
            extensions={"sni_hostname": name},
        )
        try:
            return await client.send(request, stream=True)
        except ConnectError as error:
            problem = error
    raise problem or OSError("it has no address")


async def _page(response: "Response", url: "URL") -> Page:
    if response.status_code != 200:
        raise ToolError(f"{url} answered {response.status_code} {response.reason_phrase}.")
    coding = response.headers.get("content-encoding", "identity").lower()
    if coding not in ("gzip", "identity"):
        raise ToolError(f"{url} is compressed in a way that was not asked for ({coding[:20]}).")
    body = await _body(response.aiter_raw(), unpack=coding == "gzip")
    if len(body) > _LARGEST:
        size = f"{_LARGEST // 2**20} MB"
        raise ToolError(f"{url} is larger than {size}; look for a smaller page about it.")
    kind, _, parameters = response.headers.get("content-type", "").lower().partition(";")
    return Page(str(url), kind.strip(), _charset(parameters), body)


async def _body(pieces: AsyncIterator[bytes], *, unpack: bool) -> bytes:
    """All of it, or a little more than the largest; what is packed cannot blow up in memory."""
    unpacker = zlib.decompressobj(wbits=31) if unpack else None
    body = bytearray()
    async for piece in pieces:
        room = _LARGEST + 1 - len(body)
        try:
            body += unpacker.decompress(piece, room) if unpacker else piece[:room]
        except zlib.error:
            raise ToolError("The page is damaged: it cannot be unpacked.") from None
        if len(body) > _LARGEST or (unpacker and unpacker.eof):
            break
    return bytes(body)


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip("\"'")
    return ""
