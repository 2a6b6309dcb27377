"""A Chat Completions server that answers at once and notes when it was asked.

Run: python benchmarks/instant_server.py STEPS; prints its port, serves until killed.

A base URL is `http://127.0.0.1:PORT/RUN/v1`. The first STEPS answers of a run are calls of the
first tool in `CALLS` that the run's first request offers, the one behind them says that it is done.
`GET /RUN/times` is a JSON list of monotonic nanoseconds: when the first byte of each request came.
"""

import json
import re
import socket
import sys
import threading
import time
from collections import defaultdict
from typing import Any

# Arguments differ from step to step: agents stop where the same call comes again and again.
CALLS: dict[bytes, str] = {
    b"read_file": '{{"path": "f{n}.txt"}}',
    b"look": '{{"name": "f{n}.txt"}}',
    b"bash": '{{"command": "cat f{n}.txt"}}',
}
# What ends a run of those who do not take a plain answer for the end.
ENDS: dict[bytes, tuple[bytes, str]] = {
    b"look": (b"final_answer", '{"answer": "Done."}'),
    b"bash": (b"bash", '{"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"}'),
}
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Run:
    """One agent's conversation."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.tool = b""
        self.ending = (b"", "")

    def answer(self, body: bytes, came: int, steps: int) -> bytes:
        """The next answer as a whole HTTP response; cheap, however long the history is."""
        number = len(self.times)
        self.times.append(came)
        if not self.tool:
            offered = set(re.findall(rb'"name": ?"(\w+)"', body))
            self.tool = next(name for name in CALLS if name in offered)
            name, arguments = ENDS.get(self.tool, (b"", ""))
            self.ending = (name, arguments) if name in offered else (b"", "")
        call = (self.tool, CALLS[self.tool].format(n=number)) if number < steps else self.ending
        message: dict[str, Any] = {"role": "assistant", "content": "" if call[0] else "Done."}
        if call[0]:
            function = {"name": call[0].decode(), "arguments": call[1]}
            entry = {"id": f"call_{number}", "type": "function", "function": function}
            message["tool_calls"] = [entry]
        # Where the key stands in the body differs between clients; histories hold no such text.
        streams = b'"stream":true' in body or b'"stream": true' in body
        return _streamed(message) if streams else _whole(message)


def _whole(message: dict[str, Any]) -> bytes:
    reason = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return _response("application/json", json.dumps(_same("") | {"choices": [choice]}).encode())


def _streamed(message: dict[str, Any]) -> bytes:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": message["content"]}]
    for entry in message.get("tool_calls", []):
        # As servers do it: the name, then the arguments in pieces.
        function = entry["function"]
        opened = entry | {"index": 0, "function": {"name": function["name"], "arguments": ""}}
        deltas.append({"tool_calls": [opened]})
        for piece in (function["arguments"][:6], function["arguments"][6:]):
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    reason = "tool_calls" if "tool_calls" in message else "stop"
    choices.append({"index": 0, "delta": {}, "finish_reason": reason})
    same = _same(".chunk")
    chunks: list[dict[str, Any]] = [
        same | {"choices": [choice], "usage": None} for choice in choices
    ]
    chunks.append(same | {"choices": []})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return _response("text/event-stream", ("".join(lines) + "data: [DONE]\n\n").encode())


def _same(kind: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    what = {"id": "answer", "object": f"chat.completion{kind}", "created": 1, "model": "bench"}
    return what | {"usage": usage}


def _response(kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _serve(connection: socket.socket, runs: dict[str, Run], steps: int) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while data := connection.recv(1 << 20):
            came = time.monotonic_ns()
            while b"\r\n\r\n" not in data:
                data += connection.recv(1 << 20)
            head, _, body = data.partition(b"\r\n\r\n")
            length = LENGTH.search(head)
            parts = [body]
            missing = int(length[1]) - len(body) if length else 0
            while missing > 0:
                parts.append(connection.recv(1 << 20))
                missing -= len(parts[-1])
            run = head.split(b" ", 2)[1].decode().split("/")[1]
            if head.startswith(b"GET"):
                reply = _response("application/json", json.dumps(runs[run].times).encode())
            else:
                reply = runs[run].answer(b"".join(parts), came, steps)
            connection.sendall(reply)


def main() -> None:
    """Serve until killed."""
    runs: dict[str, Run] = defaultdict(Run)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            arguments = (connection, runs, int(sys.argv[1]))
            threading.Thread(target=_serve, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
