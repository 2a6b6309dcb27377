"""Anthropic's Message Batches on this machine: batches end when they are told to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.servers.local_server import Handler, LocalServer
from tests.servers.model_server import Wire

Judge = Callable[[Wire], Wire]
"""What becomes of the parameters of one request: its `result`."""


def said(params: Wire) -> Wire:
    """Each request is answered by its last text, backwards."""
    text = params["messages"][-1]["content"][-1]["text"]
    message: Wire = {
        "id": "msg", "type": "message", "role": "assistant", "model": params["model"],
        "content": [{"type": "text", "text": text[::-1]}], "stop_reason": "end_turn",
        "stop_sequence": None, "usage": {"input_tokens": 1000, "output_tokens": 1000},
    }  # fmt: skip
    return {"type": "succeeded", "message": message}


@dataclass
class BatchServer(LocalServer):
    """Takes batches; `looks` is how often one is in progress, -1 for ever."""

    judge: Judge = said
    looks: int = 2
    faults: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Requests to answer by a status, once each: the end of the address, and the status."""
    cut: int = 0
    """Results that are left out, once."""
    batches: list[Sequence[Wire]] = field(default_factory=list[Sequence[Wire]])
    seen: dict[str, int] = field(default_factory=dict[str, int])
    """Looks at each batch, by its id."""

    def __post_init__(self) -> None:
        super().__init__(_Handler)
        self.http.daemon_threads = False

    def fault(self, path: str) -> int:
        for number, (end, status) in enumerate(self.faults):
            if path.endswith(end):
                del self.faults[number]
                return status
        return 0

    def state(self, batch: str) -> Wire:
        looked = self.seen.get(batch, 0)
        self.seen[batch], ended = looked + 1, 0 <= self.looks < looked
        time = "2026-01-01T00:00:00Z"
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        address = f"{self.url}/v1/messages/batches/{batch}/results"
        return {
            "id": batch, "type": "message_batch", "created_at": time, "expires_at": time,
            "processing_status": "ended" if ended else "in_progress", "request_counts": counts,
            "results_url": address if ended else None,
        }  # fmt: skip

    def results(self, batch: str) -> bytes:
        """In another order than the requests, as the protocol allows."""
        entries = self.batches[int(batch.removeprefix("batch_"))]
        lines = [
            json.dumps({"custom_id": entry["custom_id"], "result": self.judge(entry["params"])})
            for entry in reversed(entries)
        ]
        left, self.cut = lines[self.cut :], 0
        return "".join(line + "\n" for line in left).encode()


class _Handler(Handler):
    owner: BatchServer

    def do_POST(self) -> None:
        server = self.owner
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if status := server.fault(self.path):
            self._send(status, b'{"type": "error", "error": {"type": "x", "message": "broken"}}')
            return
        server.batches.append(body["requests"])
        self._send(200, json.dumps(server.state(f"batch_{len(server.batches) - 1}")).encode())

    def do_GET(self) -> None:
        server, parts = self.owner, self.path.split("/")
        batch = parts[4]
        known = int(batch.removeprefix("batch_")) < len(server.batches)
        if status := server.fault(self.path) or (0 if known else 404):
            self._send(status, b'{"type": "error", "error": {"type": "x", "message": "broken"}}')
        elif parts[-1] == "results":
            self._send(200, server.results(batch))
        else:
            self._send(200, json.dumps(server.state(batch)).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.whole(status, body, {"retry-after-ms": "10"})
