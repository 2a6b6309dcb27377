"""The streams of a container that we are attached to, as one reader and one writer.

Source: the engine's API, "Attach to a container": each piece of output has a header of 8 bytes,
first the stream and at last the length.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field

from sandbox.sandbox import SandboxBroken

_OUTPUT = 1
_PATIENCE = 20.0
"""Seconds that the engine may take to answer."""
_KEPT = 2000
"""Bytes of what the supervisor's interpreter complained about, for the reason of a failure."""


def attach(engine: str, name: str) -> socket.socket:
    """A connection to a container's streams, to be made before it starts: nothing is lost.

    Not by the `docker` package: it keeps the connection's owner to itself, and so open.

    Raises:
        SandboxBroken: the engine refuses.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_PATIENCE)
        connection.connect(engine)
        where = f"/containers/{name}/attach?stream=1&stdin=1&stdout=1&stderr=1"
        connection.sendall(
            f"POST {where} HTTP/1.1\r\nHost: localhost\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head and (data := connection.recv(1)):
            head += data
        if head.split(b" ", 2)[1:2] not in ([b"101"], [b"200"]):
            raise SandboxBroken(f"Docker does not attach us to a container: {head[:200]!r}.")
        connection.setblocking(False)
    except OSError as error:
        connection.close()
        raise SandboxBroken(f"Docker does not attach us to a container: {error}.") from error
    except SandboxBroken:
        connection.close()
        raise
    return connection


@dataclass
class Attached:
    """Both ends of an attached container. To be made in the event loop that uses it."""

    reader: asyncio.StreamReader
    """What it writes to its standard output."""
    writer: asyncio.StreamWriter
    """Its standard input; closing it ends the container's."""
    _pump: "asyncio.Task[None]" = field(init=False)
    complaints: bytearray = field(default_factory=bytearray)
    """The end of what it writes to its standard error."""

    @staticmethod
    async def of(connection: socket.socket) -> "Attached":
        """Take over a connection that the engine has switched to raw streams."""
        raw, writer = await asyncio.open_connection(sock=connection)
        attached = Attached(asyncio.StreamReader(), writer)
        attached._pump = asyncio.create_task(attached._separate(raw))
        return attached

    async def _separate(self, raw: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                header = await raw.readexactly(8)
                data = await raw.readexactly(int.from_bytes(header[4:], "big"))
                if header[0] == _OUTPUT:
                    self.reader.feed_data(data)
                else:
                    self.complaints += data
                    del self.complaints[:-_KEPT]
        self.reader.feed_eof()

    def said(self) -> str:
        """The last line of what it complained about."""
        return self.complaints.decode(errors="replace").strip().rpartition("\n")[2]

    async def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
        self.writer.close()
        self._pump.cancel()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump
