"""A folder that an episode may change: a copy of files, a git worktree, or the user's own tree."""

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.delete import delete
from sandbox.refused import Refused
from sandbox.snapshot import Snapshot, difference, snapshot
from sandbox.tree import TreeError, name

_PREFIX = "assistant-workspace-"


@dataclass(frozen=True)
class Workspace:
    """A folder and what it held at the start."""

    root: Path
    start: Snapshot
    remove: Callable[[], None]

    def diff(self) -> str:
        """A unified diff against the start; binary files are named."""
        return difference(self.start, snapshot(self.root))

    def close(self) -> None:
        """Remove what was made for it. Safe to call twice."""
        self.remove()


def encoded(path: str, text: str) -> bytes:
    """A file's bytes: UTF-8, where `surrogateescape` stands for bytes that are not.

    Raises:
        Refused: the text holds half of a character.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        reason = f"{path} holds text that no file can hold ({error.reason}); correct the task."
        raise Refused(reason) from error


def place(root: Path, path: str, text: str) -> None:
    """Write one file of a task exactly, whatever stands in its way. For folders of our own only.

    Raises:
        Refused: the path leads out of the folder, or is no path.
    """
    try:
        relative = name(path)
    except TreeError as error:
        raise Refused(f"{error} Correct the task's file names.") from error
    data = encoded(path, text)
    target = root
    *parents, last = Path(relative).parts or (".",)
    for part in parents:
        target /= part
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            target.unlink()
        target.mkdir(exist_ok=True)
    target /= last
    if target.is_symlink() or target.is_file() or (target.exists() and not target.is_dir()):
        target.unlink()
    elif target.is_dir():
        delete(target)
    target.write_bytes(data)


def copy_of(files: Mapping[str, str], parent: Path | None = None) -> Workspace:
    """A temporary folder with these files.

    Raises:
        Refused: a name leads out of the folder.
    """
    root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        for path, text in files.items():
            place(root, path, text)
    except BaseException:
        delete(root)
        raise
    return Workspace(root, snapshot(root), lambda: delete(root))


def worktree_of(repo: Path, commit: str = "HEAD", parent: Path | None = None) -> Workspace:
    """A detached git worktree of a repository at a commit.

    Raises:
        Refused: there is no such repository or commit.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    root = folder / repo.resolve().name

    def remove() -> None:
        delete(folder)
        _git(repo, "worktree", "prune")

    try:
        _git(repo, "worktree", "add", "--detach", str(root), commit)
    except BaseException:
        delete(folder)
        raise
    return Workspace(root, snapshot(root), remove)


def in_place(root: Path) -> Workspace:
    """The folder itself: nothing is copied, and closing does nothing."""
    return Workspace(root, snapshot(root), lambda: None)


def _git(repo: Path, *arguments: str) -> None:
    """Run git without the repository's hooks.

    Raises:
        Refused: it failed.
    """
    line = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(repo), *arguments]
    try:
        subprocess.run(line, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise Refused("git is not installed; install it.") from error
    except subprocess.CalledProcessError as error:
        raw = error.stderr
        said = raw.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise Refused(f"git {arguments[0]} failed in {repo}: {said[0]}.") from error
