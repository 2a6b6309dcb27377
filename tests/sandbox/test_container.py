"""What an engine may answer while a container ends, on a socket that speaks its protocol."""

import json
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import cast

import pytest

from sandbox.container import Container, Plan
from sandbox.sandbox import SandboxBroken

_RACE = 500, "Could not kill running container c, cannot remove - Container c is not running"
_GOING = 409, "removal of container c is already in progress"
_GONE = 404, "No such container: c"
_BROKEN = 500, "the disk is gone"


@contextmanager
def _engine(path: Path, answers: list[tuple[int, str]]) -> Generator[list[str]]:
    """An engine that answers each removal with the next of these; what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def address_string(self) -> str:
            return "client"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(200, {"ApiVersion": "1.44"})

        def do_POST(self) -> None:
            asked.append("wait")
            self._answer(404, {"message": _GONE[1]})

        def do_DELETE(self) -> None:
            asked.append("remove")
            status, message = answers.pop(0)
            self._answer(status, {"message": message})

        def _answer(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def _remove(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    Container(cast("Plan", None)).remove()  # It goes by the name alone.


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([_GONE], ["remove", "wait"]),
        ([_GOING], ["remove", "wait"]),
        ([_RACE, _GONE], ["remove", "remove", "wait"]),
        ([_RACE, _GOING], ["remove", "remove", "wait"]),
    ],
)
def test_a_container_that_ends_by_itself_meanwhile_is_no_fault(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[tuple[int, str]],
    asked: list[str],
) -> None:
    with _engine(tmp_path / "e.sock", list(answers)) as heard:
        _remove(tmp_path / "e.sock", monkeypatch)
    assert heard == asked


def test_an_engine_that_cannot_remove_it_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        _engine(tmp_path / "e.sock", [_BROKEN, _BROKEN]),
        pytest.raises(SandboxBroken, match=r"Docker failed: the disk is gone\.$"),
    ):
        _remove(tmp_path / "e.sock", monkeypatch)
