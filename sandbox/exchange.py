"""One connection to the proxy: what is asked for is parsed, judged, and written anew to the host.

No two readers can take a request for different things: the framing of what goes out is our own,
and after one request the connection ends.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import h11

from sandbox.host import split_port
from sandbox.network import Blocked, Network

CHUNK = 64 * 1024
_HEAD = 32 * 1024
"""Bytes of the head of a request or of an answer; up to one read more is taken."""
_URL = re.compile(r"http://([^/?#@\\]+)([/?][^#]*)?", re.IGNORECASE)
_HOP = frozenset(
    (
        b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding",
        b"upgrade", b"proxy-authorization", b"proxy-authenticate", b"expect", b"host",
    )
)  # fmt: skip
"""Headers that are about one connection only, and those that are written anew."""
_PLAIN = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Headers = Iterable[tuple[bytes, bytes]]


class BadRequest(Exception):
    """A request that cannot be served; a sentence."""


@dataclass(frozen=True)
class Patience:
    """How much a proxy puts up with."""

    connections: int = 128
    """At a time; one more is answered 503."""
    head: float = 15.0
    """Seconds for the head of a request."""
    idle: float = 120.0
    """Seconds without a byte in either direction."""


@dataclass(frozen=True)
class Target:
    """What a request is for."""

    host: str
    port: int
    path: str = ""
    """Empty for CONNECT."""

    @staticmethod
    def of(request: h11.Request) -> "Target":
        """Read it from CONNECT's `host:port`, or from an absolute `http://` address.

        Raises:
            BadRequest: it is neither, or its framing could be read in two ways.
        """
        names = [name for name, _ in request.headers]
        framing = b"content-length" in names, b"transfer-encoding" in names
        text = request.target.decode("ascii", "replace")
        connect = request.method == b"CONNECT"
        url = None if connect else _URL.fullmatch(text)
        if all(framing) or (connect and any(framing)):
            raise BadRequest("The length of the request's body is not clear; send one length.")
        if not (connect or url):
            raise BadRequest("This is a proxy: send CONNECT, or an absolute http:// address.")
        try:
            host, port = split_port(url[1] if url else text)
        except ValueError as error:
            raise BadRequest(f"{text[:200]}: {error}.") from None
        if connect and port is None:
            raise BadRequest(f"CONNECT {text[:200]} names no port; write host:port.")
        path = url[2] or "/" if url else ""
        return Target(host, port or 80, path if path[:1] != "?" else f"/{path}")


@dataclass
class Exchange:
    """Serves one client, once."""

    network: Network
    patience: Patience
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    inside: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD)
    )
    clock: asyncio.Timeout | None = None
    """Of an exchange that was granted."""

    async def run(self) -> None:
        """Serve it to its end.

        Raises:
            OSError: an end has left, or was silent for too long.
        """
        try:
            async with asyncio.timeout(self.patience.head):
                while (request := self.inside.next_event()) is h11.NEED_DATA:
                    self.inside.receive_data(await self.read(self.reader))
            if not isinstance(request, h11.Request):
                return
            target = Target.of(request)
        except TimeoutError:
            await self.answer(408, "The head of the request did not come.")
        except (BadRequest, h11.RemoteProtocolError) as error:
            await self.answer(400, str(error))
        else:
            await self._serve(request, target)

    async def _serve(self, request: h11.Request, target: Target) -> None:
        try:
            host = await self.network.connect(target.host, target.port)
        except Blocked as blocked:
            self.network.refuse(str(blocked))
            await self.answer(403, str(blocked))
            return
        except OSError as error:
            reason = error.strerror or "no answer in time"
            await self.answer(502, f"{target.host}:{target.port} cannot be reached: {reason}.")
            return
        try:
            async with asyncio.timeout(self.patience.idle) as self.clock:
                if target.path:
                    await _Forward(self, host).run(request, target)
                else:
                    await self._tunnel(host)
        finally:
            host[1].close()

    async def answer(self, status: int, sentence: str) -> None:
        """Answer for ourselves, and no more."""
        if self.inside.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise ConnectionAbortedError(sentence)
        body = f"{sentence}\n".encode()
        headers = [*_PLAIN, ("Content-Length", str(len(body)))]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.writer.write(self.inside.send(event) or b"")
        await self.writer.drain()

    async def read(self, source: asyncio.StreamReader) -> bytes:
        """The next piece; each one makes patience begin anew."""
        data = await source.read(CHUNK)
        if self.clock:
            self.clock.reschedule(asyncio.get_running_loop().time() + self.patience.idle)
        return data

    async def _tunnel(self, host: Streams) -> None:
        self.inside.next_event()  # The end of the request; what follows is the client's own.
        granted = self.inside.send(h11.Response(status_code=200, headers=[]))
        self.writer.write(granted or b"")
        host[1].write(self.inside.trailing_data[0])
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(self.reader, host[1]))
                both.create_task(self._pump(host[0], self.writer))
        except* OSError:
            self.writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await self.read(source):
            target.write(data)
            await target.drain()
        target.write_eof()


@dataclass
class _Forward:
    """A plain request on its way to a host, and the answer on its way back."""

    exchange: Exchange
    host: Streams
    outside: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)
    )

    async def run(self, request: h11.Request, target: Target) -> None:
        self._send(self.host[1], self.outside, _outgoing(request, target))
        upload = asyncio.create_task(self._upload())
        try:
            # A host may answer before it has read all, so both go on at once.
            await self._download()
        except h11.RemoteProtocolError:
            await self.exchange.answer(502, f"{target.host} gave an answer that is no HTTP/1.1.")
        finally:
            upload.cancel()
            await asyncio.wait([upload])
            if not upload.cancelled():
                upload.exception()  # The answer has said, or will say, what there is to say.

    async def _upload(self) -> None:
        inside, writer = self.exchange.inside, self.host[1]
        while True:
            while (event := inside.next_event()) is h11.NEED_DATA:
                if inside.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    self._send(self.exchange.writer, inside, go_on)
                inside.receive_data(await self.exchange.read(self.exchange.reader))
            self._send(writer, self.outside, event if isinstance(event, h11.Data) else END)
            await writer.drain()
            if not isinstance(event, h11.Data):
                return

    async def _download(self) -> None:
        inside, writer = self.exchange.inside, self.exchange.writer
        while True:
            while (event := self.outside.next_event()) is h11.NEED_DATA:
                self.outside.receive_data(await self.exchange.read(self.host[0]))
            if isinstance(event, h11.Response):
                headers = [*_kept(event.headers), (b"Connection", b"close")]
                status, reason = event.status_code, event.reason
                event = h11.Response(status_code=status, headers=headers, reason=reason)
            elif not isinstance(event, h11.Data):
                if isinstance(event, h11.InformationalResponse):
                    continue
                event = END
            self._send(writer, inside, event)
            await writer.drain()
            if event is END:
                return

    def _send(self, writer: asyncio.StreamWriter, side: h11.Connection, event: h11.Event) -> None:
        writer.write(side.send(event) or b"")


END = h11.EndOfMessage()


def _outgoing(request: h11.Request, target: Target) -> h11.Request:
    """The request as the host gets it."""
    names = [name for name, _ in request.headers]
    chunked = [(b"Transfer-Encoding", b"chunked")] if b"transfer-encoding" in names else []
    authority = target.host if target.port == 80 else f"{target.host}:{target.port}"
    headers = [
        (b"Host", authority.encode()), *_kept(request.headers), *chunked, (b"Connection", b"close"),
    ]  # fmt: skip
    return h11.Request(method=request.method, target=target.path, headers=headers)


def _kept(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Without those that are about one connection: the known ones, and those it names itself."""
    headers = list(headers)
    named = {
        word.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for word in value.split(b",")
    } - {b"content-length"}
    return [(name, value) for name, value in headers if name.lower() not in named | _HOP]
