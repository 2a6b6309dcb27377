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
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path, PurePosixPath

from sandbox.delete import opened as opened_folder
from sandbox.protected import Part, parts
from sandbox.putback import PutBack
from sandbox.tree import Tree, TreeError

_INSTALLED = frozenset(("node_modules", ".venv", "venv", "__pycache__"))
_MARKS = frozenset((".git", "HEAD", "commondir", "objects", "refs"))
"""Names by which repositories are known."""
_RUN = ("hooks", "config", "config.worktree")
"""What of a repository can make git run something."""
_CLOCK = 20_000_000
"""Nanoseconds: the kernel stamps files with the time of its last tick."""
_AT_OPENING = 1.0
"""Seconds for finding what is there already."""
_AT_ONCE, _AT_LAST = 0.0005, 2.0
"""Seconds for finding what commands have made; at once twice, see `Planted.clean`."""
_HIGHEST = 24
"""Steps, folders or a hundred entries of one, that are taken even where a busy machine lets us wait
for longer than that."""
_NEVER = 2**63
_STEP = 100
"""Entries of a folder between two looks at the clock."""
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
        until = time.monotonic() + _AT_OPENING
        seen = takewhile(lambda _: time.monotonic() < until, _folders(root))
        self._known = frozenset(here for here, inside in seen if _is_repository(here, inside))
        self._rest = _folders(root, self._opened)
        kept = [part.path for part in parts(root, ()) if part.readonly]
        loose = [f for f in sorted(self._known) if not any(_covers(path, f) for path in kept)]
        files = [
            Part(f"{f}/{name}", root / f / name, readonly=True) for f in loose for name in _RUN
        ]
        self._loose = PutBack(root, files) if files else None

    def clean(self, last: bool) -> None:
        """Make harmless what is new; what lies deep may be left for the last time.

        At once a short look goes to what lies highest, where a user's shell is, and another one
        goes on where it ended after the command before: it comes round in large trees as well.
        """
        if self._loose:
            with contextlib.suppress(OSError):
                self._loose.restore()
        patience = _AT_LAST if last else _AT_ONCE
        self._look(_folders(self._tree.root, self._opened), patience, at_least=_HIGHEST)
        if not last and not self._look(self._rest, _AT_ONCE):
            self._rest = _folders(self._tree.root, self._opened)

    def _look(self, walk: "_Walk", patience: float, at_least: int = 0) -> bool:
        """Clean what is found in time; whether there was not enough of it."""
        until = time.monotonic() + patience
        for number, (here, entries) in enumerate(walk, 1):
            # Somebody may have taken it away again, or laid a link in its place.
            with contextlib.suppress(TreeError, OSError):
                if _is_repository(here, entries):
                    self._clean(here)
                elif entries.get(".git") is False:
                    self._follow(here)
            if number >= at_least and time.monotonic() > until:
                return True
        return False

    def _follow(self, here: str) -> None:
        """A `.git` that is no folder: a link, or a file that says where the repository is."""
        path = f"{here}/.git"
        if (self._tree.root / path).is_symlink():  # Git makes none, and links have many ends.
            if self._is_new(path):
                self._tree.remove(path)
            return
        root = os.path.realpath(self._tree.root)
        target = os.fsdecode(self._tree.read(path, 2**20)).removeprefix("gitdir: ").rstrip("\r\n")
        real = os.path.realpath(f"{root}/{here}/{target}" if target[:1] != "/" else target)
        if not real.startswith(f"{root}/"):
            return
        folder = os.path.relpath(real, root)
        if folder not in self._known:
            self._clean(folder)
        elif self._is_new(path):  # It was a folder like any other until now.
            self._tree.remove(path)

    def _clean(self, folder: str) -> None:
        self._forget_common_directory(folder)
        if folder in self._known:
            return
        # Git changes the folder with almost all it does; where it does not, one file tells.
        new = self._is_new(folder)
        for path in (*self._hooks(f"{folder}/hooks"), f"{folder}/config.worktree"):
            if new or self._is_new(path):
                with contextlib.suppress(TreeError):  # A folder: git does not run those.
                    self._tree.remove(path)
        if new or self._is_new(f"{folder}/config"):
            self._reduce(f"{folder}/config")

    def _reduce(self, path: str) -> None:
        """Of a configuration leave what is harmless; of one that cannot be read nothing."""
        before = None
        try:
            if not (self._tree.root / path).is_symlink():
                before = self._tree.read(path, 2**20)
        except FileNotFoundError:
            return
        except TreeError:
            pass
        after = harmless((before or b"").decode(errors="replace")).encode()
        if after != before:
            self._tree.remove(path)
            self._tree.write(path, after, git=True)

    def _hooks(self, folder: str) -> list[str]:
        try:
            with contextlib.suppress(OSError):
                _unshut(self._tree.root / folder, self._opened)
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


def _is_repository(here: str, entries: Mapping[str, bool]) -> bool:
    """Whether git would take a folder for a repository."""
    parts = "commondir" in entries or {"objects", "refs"} <= entries.keys()
    return _name(here) == ".git" or ("HEAD" in entries and parts)


def _name(path: str) -> str:
    """The last part of a relative path; a tenth of what `PurePosixPath` takes."""
    return path.rpartition("/")[2]


_Walk = Iterator[tuple[str, Mapping[str, bool]]]
"""Folders, and which of what marks a repository is in there, and whether it is a folder."""


def _folders(root: Path, opened: int = _NEVER) -> _Walk:
    """Folders below `root`, the shallow ones first; an empty path whenever time has passed.

    What is installed, and what of a `.git` is seldom a repository, comes last. `opened`: a folder
    that was shut since then, in nanoseconds, is opened.
    """
    pending: deque[str] = deque((".",))
    late: deque[str] = deque()
    while pending or late:
        here = (pending or late).popleft()
        entries: dict[str, bool] = {}
        folders: list[str] = []
        for name, is_dir in _entries(f"{root}/{here}", opened):
            if not name:
                yield "", {}
            if name in _MARKS:
                entries[name] = is_dir
            if is_dir:
                folders.append(name)
        yield here, entries
        own = _name(here) == ".git"
        above = "" if here == "." else f"{here}/"
        for name in sorted(folders):
            last = name in _INSTALLED or (own and name not in ("modules", "worktrees"))
            (late if last else pending).append(above + name)


def _entries(folder: str, opened: int) -> Iterator[tuple[str, bool]]:
    """What is in a folder and whether it is one itself; after some of it an empty name."""
    with contextlib.suppress(OSError):
        _unshut(folder, opened)
        with os.scandir(folder) as found:
            for number, entry in enumerate(found, 1):
                yield entry.name, entry.is_dir(follow_symlinks=False)
                if number % _STEP == 0:
                    yield "", False


def _unshut(folder: str | Path, opened: int) -> None:
    """Open a folder that was shut after the opening: git runs also what nobody can list."""
    if not os.access(folder, os.R_OK) and os.lstat(folder).st_ctime_ns >= opened - _CLOCK:
        with opened_folder(folder, force=True):
            return


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
