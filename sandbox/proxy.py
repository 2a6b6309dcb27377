"""A proxy on a unix socket: the only way out of a sandbox, and only to hosts that are allowed.

Its socket lies in a folder of its own that only its owner can enter; a sandbox gets it by a mount.
What happens inside of a tunnel (CONNECT) is not looked at: with whom it speaks is.
"""

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import h11

from sandbox.exchange import CHUNK, Exchange, Patience
from sandbox.network import Network
from sandbox.sandbox import SandboxBroken
from sandbox.temporary import drop, temporary

_SHORT = Path("/tmp")  # noqa: S108 - the folder in it is private
_PATIENCE = Patience()


def _long() -> bool:
    """Whether the path of a socket would not fit: the kernel takes 107 bytes."""
    return len(tempfile.gettempdir()) > 50


@dataclass
class Proxy:
    """Serves the sandboxes of one session until it is closed."""

    network: Network
    patience: Patience = _PATIENCE
    folder: Path = field(default_factory=lambda: temporary(_SHORT if _long() else None))
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=lambda: set())

    @staticmethod
    async def open(network: Network, patience: Patience = _PATIENCE) -> "Proxy":
        """Listen, and tell the network where.

        Raises:
            SandboxBroken: the warden, who removes the socket where we cannot, does not start.
        """
        proxy = Proxy(network, patience)
        path = proxy.folder / "proxy.sock"
        proxy._server = await asyncio.start_unix_server(proxy._serve, path, limit=CHUNK)
        # Commands may have a uid of their own; the folder keeps everybody else away.
        path.chmod(0o666)
        network.socket = path
        return proxy

    async def close(self) -> None:
        """End every connection and remove the socket. Safe to call twice."""
        if self._server:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        # A warden that has died has removed what it guarded.
        with contextlib.suppress(SandboxBroken):
            drop(self.folder)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; whatever it sends, nothing is raised."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is a task
        self._open.add(task)
        exchange = Exchange(self.network, self.patience, reader, writer)
        try:
            if len(self._open) > self.patience.connections:
                await exchange.answer(503, "Too many connections at once; close some.")
            else:
                await exchange.run()
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            # One of the two ends has left or was silent for too long, or the proxy is closed.
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()
