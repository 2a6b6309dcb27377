"""What the HTTP servers of the tests share: a port of this machine, and how they answer."""

import socket
import struct
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LocalServer:
    """Serves on this machine while it is entered; handlers find it as their `owner`."""

    def __init__(self, handler: type["Handler"], port: int = 0) -> None:
        """Take the port, or any that is free."""
        owned = type(handler.__name__, (handler,), {"owner": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", port), owned)

    @property
    def port(self) -> int:
        return self.http.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers requests; one class of its own for each server."""

    owner: Any
    protocol_version = "HTTP/1.1"
    # Otherwise each response waits 40 ms for the client's kernel to acknowledge its headers.
    disable_nagle_algorithm = True
    # A client that left is none of the server's business.
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        pass

    def whole(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send JSON in one piece."""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self, pause: float = 0.05) -> None:
        """Break the connection off, after `pause` seconds to read what was sent."""
        self.wfile.flush()
        # Without lingering the kernel sends RST instead of FIN. What was sent arrives first.
        time.sleep(pause)
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()
