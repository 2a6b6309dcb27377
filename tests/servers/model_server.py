"""A server on this machine that plays a provider of models, faults included."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from tests.servers.local_server import Handler, LocalServer

Wire = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer: of a script, or recorded bytes."""

    text: str = ""
    calls: Sequence[Wire] = ()
    """Objects with `name` and `arguments`; `arguments` may be raw text, to be sent as it is."""
    stop: str = ""
    """The protocol's own stop reason; empty for the one that fits."""
    thinking: str = ""
    body: bytes = b""
    """What to send instead of all this."""
    content_type: str = "text/event-stream"
    encoding: str = ""
    """Of the body, as in `content-encoding`."""


Kind = Literal[
    "status", "reset", "cut", "silence", "event", "garbage",
    "mute", "again", "insert", "reply", "flood",
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request."""

    kind: Kind
    """`mute` sends nothing at all, `again` an event twice, `insert` the event `body` besides,
    `reply` another answer, and `flood` an event that never ends."""
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    after: int = 0
    """For faults inside a response: how many events are sent before it."""
    body: Wire = field(default_factory=lambda: {"error": {"message": "it is broken"}})
    reply: Reply = field(default_factory=Reply)


Events = Callable[[Reply, Wire, str], list[bytes]]
"""A protocol: a reply as server-sent events, for a request and an id of the answer."""


class ModelServer(LocalServer):
    """Plays replies by the number of assistant messages in a request; records the requests."""

    def __init__(
        self,
        events: Events,
        replies: Sequence[Reply],
        faults: Mapping[int, Fault] | None = None,
        port: int = 0,
    ) -> None:
        """`faults` are by the number of the request, from 0."""
        super().__init__(_Handler, port)
        self.http.daemon_threads = False
        self.events = events
        self.replies = replies
        self.faults = dict(faults or {})
        self.requests: list[Wire] = []
        self.headers: list[Mapping[str, str]] = []
        self.peers: list[tuple[str, int]] = []
        """Where each request came from: one address is one connection."""
        self.broken = 0
        """How many responses the client closed before their end."""
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        super().__exit__(*error)

    def accept(self, request: Wire, headers: Mapping[str, str]) -> tuple[int, Reply, Fault | None]:
        with self.lock:
            number = len(self.requests)
            self.requests.append(request)
            self.headers.append(headers)
        turn = turns(request)
        missing = Reply(f"The script has no reply {turn}.")
        reply = self.replies[turn] if turn < len(self.replies) else missing
        return number, reply, self.faults.get(number)


def turns(request: Wire) -> int:
    """How often the model has answered: its messages, or runs of its items."""
    if "messages" in request:
        return sum(message["role"] == "assistant" for message in request["messages"])
    kinds = (item.get("role") or item["type"] for item in request["input"])
    made = [kind in ("assistant", "reasoning", "function_call") for kind in kinds]
    return sum(now and not before for before, now in pairwise([False, *made]))


class _Handler(Handler):
    owner: ModelServer

    def do_GET(self) -> None:
        self.whole(200, b'{"object": "list", "data": []}', {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.owner.peers.append(self.client_address)
        number, reply, fault = self.owner.accept(request, dict(self.headers.items()))
        if fault and fault.kind == "status":
            self.whole(fault.status, json.dumps(fault.body).encode(), fault.headers)
            return
        if fault and fault.kind == "reset" and fault.after == 0:
            self.reset()
            return
        if fault and fault.kind == "mute":
            self._wait()
            return
        if fault and fault.kind == "reply":
            reply, fault = fault.reply, None
        try:
            self._answer(request, number, reply, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.owner.broken += 1
            self.close_connection = True

    def _answer(self, request: Wire, number: int, reply: Reply, fault: Fault | None) -> None:
        if reply.body:
            events = [reply.body]
        else:
            events = self.owner.events(reply, request, f"answer_{number}")
        self.send_response(200)
        self.send_header("content-type", reply.content_type)
        if reply.encoding:
            self.send_header("content-encoding", reply.encoding)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for position, event in enumerate(events):
            if fault and position == fault.after and self._break(fault, event):
                return
            self._chunk(event)
        self._chunk(b"")

    def _wait(self) -> None:
        self.owner.closing.wait(20)
        self.close_connection = True

    def _break(self, fault: Fault, event: bytes) -> bool:
        """Whether the response ends here."""
        told = json.dumps(fault.body)
        match fault.kind:
            case "again":
                self._chunk(event)
            case "insert":
                kind = fault.body.get("type", "message")
                self._chunk(f"event: {kind}\ndata: {told}\n\n".encode())
            case "reset":
                self.reset()
            case "cut":
                self._chunk(b"")
            case "silence":
                self._wait()
            case "flood":
                self._flood()
            case "garbage":
                self._chunk(b"event: message_start\ndata: {not json\n\n")
                self._chunk(b"")
            case _:
                self._chunk(f"event: error\ndata: {told}\n\n".encode())
                self._chunk(b"")
        return fault.kind not in ("again", "insert")

    def _flood(self) -> None:
        self._chunk(b"data: ")
        while not self.owner.closing.is_set():
            self._chunk(b"x" * 2**20)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def serve(events: Events, arguments: Sequence[str]) -> None:
    """Run as a process: `--script replies.json --port 0`; prints the port, serves until killed."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    script = json.loads(Path(options["--script"]).read_text(encoding="utf-8"))
    replies = [Reply(entry.get("text", ""), entry.get("tool_calls", [])) for entry in script]
    with ModelServer(events, replies, port=int(options.get("--port", "0"))) as server:
        print(server.port, flush=True)
        server.thread.join()
