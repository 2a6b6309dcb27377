"""A server on this machine that speaks the hub's protocol, faults included."""

import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """A repository and what is wrong with it."""

    files: Mapping[str, bytes]
    licence: str = "apache-2.0"
    gated: bool = False
    token: str = ""
    """Who has this one may see it."""
    claims: str = ""
    """A wrong checksum, to be told instead of the right one."""
    size: int = 0
    """A wrong size, to be told instead of the right one."""
    cuts: int = 0
    """So many downloads break off after half of what was asked for."""
    status: int = 0
    """Every download fails with this."""


class HubServer:
    """Serves repositories; the bytes of files come from another host's name, as from a CDN."""

    def __init__(self, repos: Mapping[str, Repo]) -> None:
        self.repos = repos
        self.ranges: list[str] = []
        """Of each download, the range that was asked for."""
        self.leaked: list[str] = []
        """Tokens that were sent to the CDN."""
        server = self

        class Handler(_Handler):
            owner = server

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    @property
    def cdn(self) -> str:
        return f"http://localhost:{self.http.server_address[1]}/cdn"

    def __enter__(self) -> "HubServer":
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: HubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._file(head=True)

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            self._info(self.path.removeprefix("/api/models/").partition("?")[0])
        elif self.path.startswith("/cdn/"):
            self._bytes()
        else:
            self._file(head=False)

    def _repo(self, name: str) -> Repo | None:
        """The repository, or None after saying that it is not to be had."""
        repo = self.owner.repos.get(name)
        shown = self.headers.get("authorization", "")
        if repo is None:
            # To those without a token the hub does not tell which repositories there are.
            code = {"x-error-code": "RepoNotFound"}
            self._whole(401, {"error": "Invalid username or password."}, code)
        elif repo.token and shown != f"Bearer {repo.token}":
            code = {"x-error-code": "GatedRepo"} if repo.gated else {}
            self._whole(403 if shown and repo.gated else 401, {"error": "no"}, code)
        else:
            return repo
        return None

    def _info(self, name: str) -> None:
        if repo := self._repo(name):
            siblings = [
                {
                    "rfilename": path,
                    "size": repo.size or len(data),
                    "blobId": "b",
                    "lfs": {
                        "sha256": repo.claims or hashlib.sha256(data).hexdigest(),
                        "size": repo.size or len(data),
                        "pointerSize": 134,
                    },
                }
                for path, data in repo.files.items()
            ]
            card = {"license": repo.licence} if repo.licence else {}
            told = {"id": name, "sha": COMMIT, "siblings": siblings, "cardData": card, "tags": []}
            self._whole(200, told, {})

    def _file(self, *, head: bool) -> None:
        found = re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)", self.path)
        repo = self._repo(found[1]) if found else None
        if not (found and repo):
            if not found:
                self._whole(404, {}, {"x-error-code": "EntryNotFound"})
            return
        data = repo.files[found[2]]
        headers = {
            "x-repo-commit": COMMIT,
            "x-linked-etag": f'"{repo.claims or hashlib.sha256(data).hexdigest()}"',
            "x-linked-size": str(repo.size or len(data)),
            "etag": '"of-the-pointer"',
            "location": f"{self.owner.cdn}/{found[1]}/{found[2]}",
        }
        self._whole(302, None if head else {}, headers)

    def _bytes(self) -> None:
        owner, repo_name, path = self.path.removeprefix("/cdn/").split("/", 2)
        if token := self.headers.get("authorization"):
            self.owner.leaked.append(token)
        repo = self.owner.repos[f"{owner}/{repo_name}"]
        if repo.status:
            self._whole(repo.status, {}, {})
            return
        asked = self.headers.get("range", "")
        self.owner.ranges.append(asked)
        data = repo.files[path]
        start = int(found[1]) if (found := re.match(r"bytes=(\d+)-", asked)) else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("content-length", str(len(data) - start))
        self.end_headers()
        if repo.cuts:
            repo.cuts -= 1
            self.wfile.write(data[start : start + (len(data) - start) // 2])
            self._reset()
        else:
            self.wfile.write(data[start:])

    def _reset(self) -> None:
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        # What was written arrives first: the other side reads while this one sleeps.
        threading.Event().wait(0.2)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def _whole(self, status: int, told: Any, headers: Mapping[str, str]) -> None:
        body = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
