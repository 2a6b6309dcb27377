"""A web server on this machine that plays pages, redirects and search services."""

import gzip
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.servers.local_server import Handler, LocalServer


@dataclass(frozen=True)
class Answer:
    """What a path gives."""

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    packed: bool = False


class WebServer(LocalServer):
    """Serves answers by path; records the path and headers of every request."""

    def __init__(self, answers: Mapping[str, Answer], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(_Handler)
        self.answers = dict(answers)
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.place = f"localhost:{self.port}"
        self.scheme = "https" if tls else "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.place}"


class _Handler(Handler):
    owner: WebServer
    # An answer ends with its connection.
    protocol_version = "HTTP/1.0"

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
