"""Repositories that commands have made: what git would run of them on the host is taken out.

What was there when the sandbox opened is protected by mounts (`sandbox.protected`). A `.git` that
is made later is not, and the user's own git, which a shell's prompt may start at any moment, runs
the hooks and the programs that it names. So after a command such repositories keep no hook, and of
their configuration only what is known to be harmless. Source: gitrepository-layout(5).
"""

import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sandbox.tree import Tree, TreeError

_PASSED_OVER = frozenset(("node_modules", ".venv", "venv", "__pycache__"))
_AT_OPENING = 2.0
"""Seconds for finding what is there already."""
_SECTION = re.compile(r'\[(\w+)(?: "([\w./-]+)")?\]')
_SETTING = re.compile(r"(\w+) = (.*)")
_PLAIN = re.compile(r"[\w.@+/:* -]{0,200}")
_URL = re.compile(r"(https|ssh|git)://[\w.]\S*|[\w.]+@[\w.]+:[\w./~]\S*")
_HARMLESS = {
    "core": (
        "repositoryformatversion", "filemode", "bare", "logallrefupdates", "ignorecase",
        "symlinks", "precomposeunicode", "autocrlf", "eol",
    ),
    "extensions": ("objectformat", "refstorage"),
    "user": ("name", "email"),
    "remote": ("url", "fetch"),
    "branch": ("remote", "merge"),
}  # fmt: skip


class Planted:
    """The repositories of one workspace, and which of them were there before."""

    def __init__(self, root: Path) -> None:
        """Note what is there; it is the user's own."""
        self._tree = Tree(root)
        self._known = frozenset(_repositories(root, time.monotonic() + _AT_OPENING))

    def clean(self, seconds: float) -> None:
        """Make harmless what is new; what lies deep may be left for a call with more time."""
        until = time.monotonic() + seconds
        for folder in _repositories(self._tree.root, until):
            # Somebody may have taken it away again, or laid a link in its place.
            with contextlib.suppress(TreeError, OSError):
                self._forget_common_directory(folder)
                if folder not in self._known:
                    self._clean(folder)

    def _clean(self, folder: str) -> None:
        for name in self._hooks(f"{folder}/hooks"):
            if not name.endswith(".sample"):
                self._remove(f"{folder}/{name}")
        self._remove(f"{folder}/config.worktree")
        path = f"{folder}/config"
        try:
            before = self._tree.read(path, 2**20)
        except FileNotFoundError:
            return
        except TreeError:
            before = b""
        after = harmless(before.decode(errors="replace")).encode()
        if after != before:
            self._tree.remove(path)
            self._tree.write(path, after, git=True)

    def _hooks(self, path: str) -> list[str]:
        try:
            return [f"hooks/{name}" for name in self._tree.names(path)]
        except TreeError:  # It is a link.
            return ["hooks"]

    def _remove(self, path: str) -> None:
        with contextlib.suppress(TreeError):  # A folder: git does not run those.
            self._tree.remove(path)

    def _forget_common_directory(self, folder: str) -> None:
        """Remove the file that makes git take another folder's configuration for its own.

        A repository's main folder never has one, and a worktree's names the folder two above.
        """
        path = f"{folder}/commondir"
        with contextlib.suppress(FileNotFoundError):
            worktree = PurePosixPath(folder).parent.name == "worktrees"
            if not worktree or self._tree.read(path, 100).strip() != b"../..":
                self._tree.remove(path)


def _repositories(root: Path, until: float) -> Iterator[str]:
    """Folders that git would take for a repository, relative to `root`; the shallow ones first."""
    pending: deque[str] = deque((".",))
    while pending and time.monotonic() < until:
        here = pending.popleft()
        try:
            with os.scandir(root / here) as found:
                entries = {e.name: e.is_dir(follow_symlinks=False) for e in found}
        except OSError:
            continue
        repository = here.endswith("/.git") or (
            "HEAD" in entries and ("commondir" in entries or {"objects", "refs"} <= entries.keys())
        )
        if repository:
            yield here
            entries = {name: entries.get(name, False) for name in ("modules", "worktrees")}
        folders = {name for name, is_dir in entries.items() if is_dir}
        pending.extend(f"{here}/{name}" for name in sorted(folders - _PASSED_OVER))


def harmless(configuration: str) -> str:
    """Of a repository's configuration what cannot make git run anything, in git's own format."""
    kept: dict[str, list[str]] = {}
    section, allowed = "", ()
    for line in configuration.splitlines():
        header, setting = _SECTION.fullmatch(line.strip()), _SETTING.fullmatch(line.strip())
        if line.lstrip().startswith("["):
            section, allowed = line.strip(), _HARMLESS.get(header[1].lower(), ()) if header else ()
        elif setting and setting[1].lower() in allowed and _is_harmless(setting[1], setting[2]):
            kept.setdefault(section, []).append(f"\t{setting[1]} = {setting[2]}\n")
    return "".join(f"{header}\n{''.join(lines)}" for header, lines in kept.items())


def _is_harmless(name: str, value: str) -> bool:
    return bool((_URL if name.lower() == "url" else _PLAIN).fullmatch(value))
