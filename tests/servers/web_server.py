"""A web server on this machine that plays pages, redirects and search services."""

import gzip
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """What a path gives."""

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    packed: bool = False


class WebServer:
    """Serves answers by path; records the path and headers of every request."""

    def __init__(self, answers: Mapping[str, Answer], tls: ssl.SSLContext | None = None) -> None:
        self.answers = dict(answers)
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        server = self

        class Handler(_Handler):
            owner = server

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.port: int = self.http.server_address[1]
        self.place = f"localhost:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.place}"

    def __enter__(self) -> "WebServer":
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: WebServer
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.owner.requests.append((self.path, dict(self.headers.items())))
        missing = Answer(b"nothing here", status=404)
        answer = self.owner.answers.get(self.path.partition("?")[0], missing)
        body = gzip.compress(answer.body) if answer.packed else answer.body
        self.send_response(answer.status)
        if answer.kind:
            self.send_header("content-type", answer.kind)
        if answer.packed:
            self.send_header("content-encoding", "gzip")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            # It was too much for the client.
            self.close_connection = True
