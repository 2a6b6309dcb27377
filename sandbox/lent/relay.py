"""Inside a sandbox: listens on 127.0.0.1 and passes every connection on to a unix socket.

It judges nothing: the proxy at the other end does. The supervisor holds the port and starts it as
`python -I -S relay.py /run/proxy.sock 7`, where 7 is the descriptor of the socket that listens.
"""

import contextlib
import selectors
import socket
import sys

MOST = 256
"""Connections at a time; others wait in the kernel's queue."""
PIECE = 64 * 1024


class Way:
    """One direction of a connection: at most one piece is held, so a slow reader slows a writer."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.held = b""
        self.ended = False
        """The source has no more."""
        self.done = False
        """The target has been told."""

    def read(self) -> None:
        """Take the next piece."""
        with contextlib.suppress(BlockingIOError):
            self.held = self.source.recv(PIECE)
            self.ended = not self.held

    def write(self) -> None:
        """Give what is held."""
        if self.held:
            with contextlib.suppress(BlockingIOError):
                self.held = self.held[self.target.send(self.held) :]
        if self.ended and not self.done:
            self.done = True
            self.target.shutdown(socket.SHUT_WR)


class Pair:
    """A client and its connection to the proxy."""

    def __init__(self, client: socket.socket, proxy: socket.socket) -> None:
        self.sockets = (client, proxy)
        self.ways = (Way(client, proxy), Way(proxy, client))

    def move(self) -> None:
        """Read and write what can be without waiting."""
        for way in self.ways:
            if not way.held and not way.ended:
                way.read()
            way.write()

    @property
    def over(self) -> bool:
        """Both have said all."""
        return all(way.done for way in self.ways)

    def awaited(self, end: socket.socket) -> int:
        """What this end has to be ready for next; 0 for nothing."""
        events = 0
        for way in self.ways:
            if way.source is end and not way.held and not way.ended:
                events |= selectors.EVENT_READ
            if way.target is end and way.held:
                events |= selectors.EVENT_WRITE
        return events


class Relay:
    """Passes connections on until it is killed."""

    def __init__(self, listener: socket.socket, path: str) -> None:
        self.listener, self.path = listener, path
        self.waiting = selectors.DefaultSelector()
        self.pairs: set[Pair] = set()
        self.listening = False

    def run(self) -> None:
        """Never returns."""
        while True:
            self._listen(len(self.pairs) < MOST)
            for key, _ in self.waiting.select():
                if key.data is None:
                    self._accept()
                elif key.data in self.pairs:
                    self._serve(key.data)

    def _listen(self, wanted: bool) -> None:
        if wanted and not self.listening:
            self.waiting.register(self.listener, selectors.EVENT_READ)
        elif self.listening and not wanted:
            self.waiting.unregister(self.listener)
        self.listening = wanted

    def _accept(self) -> None:
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        proxy = socket.socket(socket.AF_UNIX)
        proxy.settimeout(5)
        try:
            proxy.connect(self.path)
        except OSError:
            client.close()
            proxy.close()
            return
        for end in (client, proxy):
            end.setblocking(False)
        pair = Pair(client, proxy)
        self.pairs.add(pair)
        self._serve(pair)

    def _serve(self, pair: Pair) -> None:
        try:
            pair.move()
            over = pair.over
        except OSError:
            over = True
        for end in pair.sockets:
            self._watch(end, 0 if over else pair.awaited(end), pair)
        if over:
            self.pairs.discard(pair)
            for end in pair.sockets:
                end.close()

    def _watch(self, end: socket.socket, events: int, pair: Pair) -> None:
        known = end in self.waiting.get_map()
        if known and events:
            self.waiting.modify(end, events, pair)
        elif known:
            self.waiting.unregister(end)
        elif events:
            self.waiting.register(end, events, pair)


if __name__ == "__main__":
    ours = socket.socket(fileno=int(sys.argv[2]))
    ours.setblocking(False)
    Relay(ours, sys.argv[1]).run()
