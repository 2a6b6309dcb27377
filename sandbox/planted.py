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

from sandbox.protected import Part, parts
from sandbox.putback import PutBack
from sandbox.tree import Tree, TreeError

_INSTALLED = frozenset(("node_modules", ".venv", "venv", "__pycache__"))
_RUN = ("hooks", "config", "config.worktree")
"""What of a repository can make git run something."""
_CLOCK = 20_000_000
"""Nanoseconds: the kernel stamps files with the time of its last tick."""
_AT_OPENING = 1.0
"""Seconds for finding what is there already."""
_AT_ONCE, _AT_LAST = 0.005, 2.0
"""Seconds for finding what commands have made."""
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
        """Note what is there; it is the user's own.

        Raises:
            SandboxUnavailable: a repository is too large to be kept as it is.
        """
        self._tree = Tree(root)
        self._opened = time.time_ns()
        self._known = frozenset(_repositories(root, time.monotonic() + _AT_OPENING))
        kept = [part.path for part in parts(root, ()) if part.readonly]
        loose = [f for f in sorted(self._known) if not any(_covers(path, f) for path in kept)]
        files = [
            Part(f"{f}/{name}", root / f / name, readonly=True) for f in loose for name in _RUN
        ]
        self._loose = PutBack(root, files) if files else None

    def clean(self, last: bool) -> None:
        """Make harmless what is new; what lies deep may be left for the last time."""
        until = time.monotonic() + (_AT_LAST if last else _AT_ONCE)
        if self._loose:
            with contextlib.suppress(OSError):
                self._loose.restore()
        for folder in _repositories(self._tree.root, until, everywhere=last):
            # Somebody may have taken it away again, or laid a link in its place.
            with contextlib.suppress(TreeError, OSError):
                self._forget_common_directory(folder)
                if folder not in self._known:
                    self._clean(folder)

    def _clean(self, folder: str) -> None:
        for path in (*self._hooks(f"{folder}/hooks"), f"{folder}/config.worktree"):
            if self._is_new(path):
                with contextlib.suppress(TreeError):  # A folder: git does not run those.
                    self._tree.remove(path)
        path = f"{folder}/config"
        if not self._is_new(path):
            return
        try:
            before = self._tree.read(path, 2**20)
        except TreeError:
            before = b""
        after = harmless(before.decode(errors="replace")).encode()
        if after != before:
            self._tree.remove(path)
            self._tree.write(path, after, git=True)

    def _hooks(self, folder: str) -> list[str]:
        try:
            names = self._tree.names(folder)
        except TreeError:  # It is a link.
            return [folder]
        return [f"{folder}/{name}" for name in names if not name.endswith(".sample")]

    def _is_new(self, path: str) -> bool:
        """Whether it was made or changed since the opening, which nobody can hide."""
        try:
            return (self._tree.root / path).lstat().st_ctime_ns >= self._opened - _CLOCK
        except FileNotFoundError:
            return False

    def _forget_common_directory(self, folder: str) -> None:
        """Remove the file that makes git take another folder's configuration for its own.

        A repository's main folder never has one, and a worktree's names the folder two above.
        """
        path = f"{folder}/commondir"
        with contextlib.suppress(FileNotFoundError):
            worktree = PurePosixPath(folder).parent.name == "worktrees"
            if not worktree or self._tree.read(path, 100).strip() != b"../..":
                self._tree.remove(path)


def _covers(path: str, folder: str) -> bool:
    """Whether a read-only part of the workspace keeps a repository from changes."""
    return path == f"{folder}/config" or PurePosixPath(folder).is_relative_to(path)


def _repositories(root: Path, until: float, *, everywhere: bool = False) -> Iterator[str]:
    """Folders that git would take for a repository, relative to `root`; the shallow ones first."""
    pending: deque[str] = deque(("",))
    late: deque[str] = deque()
    while (pending or late) and time.monotonic() < until:
        here = (pending or late).popleft()
        try:
            with os.scandir(root / here) as found:
                entries = {e.name: e.is_dir(follow_symlinks=False) for e in found}
        except OSError:
            continue
        repository = PurePosixPath(here).name == ".git" or (
            "HEAD" in entries and ("commondir" in entries or {"objects", "refs"} <= entries.keys())
        )
        if repository:
            yield here or "."
            entries = {name: entries.get(name, False) for name in ("modules", "worktrees")}
        folders = {name for name, is_dir in entries.items() if is_dir}
        pending.extend(f"{here}/{name}".lstrip("/") for name in sorted(folders - _INSTALLED))
        if everywhere:
            late.extend(f"{here}/{name}".lstrip("/") for name in sorted(folders & _INSTALLED))


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
