"""Hosts on this machine that stand for some on the network, and names that lead to them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


async def to_this_machine(name: str) -> Sequence[str]:
    """Every name is one of this machine's."""
    return ["127.0.0.1"]


@dataclass
class Listener:
    """A host that writes one answer, whatever it is asked, and remembers what it got."""

    answer: bytes
    port: int = 0
    after: bytes = b"\r\n\r\n"
    """What it waits for before it answers."""
    got: list[bytearray] = field(default_factory=list[bytearray])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = bytearray()
        self.got.append(got)
        answered = False
        while data := await reader.read(65536):
            got += data
            if not answered and self.after in got:
                answered = True
                writer.write(self.answer)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
) -> AsyncGenerator[Listener]:
    """A host that gives this answer."""
    host = Listener(answer)
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()


async def exchanged(path: str, data: bytes, seconds: float = 10.0) -> bytes:
    """All that a unix socket answers to some bytes."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    try:
        async with asyncio.timeout(seconds):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
