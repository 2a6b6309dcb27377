"""A server on this machine that speaks the hub's protocol, faults included."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers.local_server import Handler, LocalServer

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


class HubServer(LocalServer):
    """Serves repositories; the bytes of files come from another host's name, as from a CDN."""

    def __init__(self, repos: Mapping[str, Repo]) -> None:
        super().__init__(_Handler)
        self.repos = repos
        self.ranges: list[str] = []
        """Of each download, the range that was asked for."""
        self.leaked: list[str] = []
        """Tokens that were sent to the CDN."""

    @property
    def cdn(self) -> str:
        return f"http://localhost:{self.port}/cdn"


class _Handler(Handler):
    owner: HubServer

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
            self._tell(401, {"error": "Invalid username or password."}, code)
        elif repo.token and shown != f"Bearer {repo.token}":
            code = {"x-error-code": "GatedRepo"} if repo.gated else {}
            self._tell(403 if shown and repo.gated else 401, {"error": "no"}, code)
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
            self._tell(200, told, {})

    def _file(self, *, head: bool) -> None:
        found = re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)", self.path)
        repo = self._repo(found[1]) if found else None
        if not (found and repo):
            if not found:
                self._tell(404, {}, {"x-error-code": "EntryNotFound"})
            return
        data = repo.files[found[2]]
        headers = {
            "x-repo-commit": COMMIT,
            "x-linked-etag": f'"{repo.claims or hashlib.sha256(data).hexdigest()}"',
            "x-linked-size": str(repo.size or len(data)),
            "etag": '"of-the-pointer"',
            "location": f"{self.owner.cdn}/{found[1]}/{found[2]}",
        }
        self.whole(302, b"" if head else b"{}", headers)

    def _bytes(self) -> None:
        owner, repo_name, path = self.path.removeprefix("/cdn/").split("/", 2)
        if token := self.headers.get("authorization"):
            self.owner.leaked.append(token)
        repo = self.owner.repos[f"{owner}/{repo_name}"]
        if repo.status:
            self._tell(repo.status, {}, {})
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
            self.reset(0.2)
        else:
            self.wfile.write(data[start:])

    def _tell(self, status: int, told: Any, headers: Mapping[str, str]) -> None:
        self.whole(status, json.dumps(told).encode(), headers)
