"""A folder that an episode may change: a copy of files, a git worktree, or the user's own tree."""

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.delete import delete
from sandbox.refused import Refused
from sandbox.sandbox import SandboxBroken
from sandbox.snapshot import Snapshot, changes, difference, snapshot
from sandbox.stage import Stage, over_files, over_tree, possible
from sandbox.temporary import drop, temporary
from sandbox.tree import TreeError, belong, name
from sandbox.warden.client import Denied

_QUOTA = 1024
"""Megabytes that the changes of a copy-on-write workspace may hold, as in `Limits`."""


@dataclass(frozen=True)
class Workspace:
    """A folder and what it held at the start."""

    root: Path
    """Of a copy-on-write workspace a path in this process only; see `sandbox.stage`."""
    start: Snapshot
    """Empty for a copy-on-write workspace, whose layers tell."""
    remove: Callable[[], None]
    stage: Stage | None = None

    def diff(self) -> str:
        """A unified diff against the start; binary files are named.

        Raises:
            SandboxBroken: the warden that kept the layers has died.
        """
        if self.stage is None:
            return difference(self.start, snapshot(self.root))
        try:
            lower, upper = self.stage.layers()
        except Denied as error:
            raise SandboxBroken(f"The changes are lost: {error}.") from error
        try:
            return difference(*changes(lower, upper, self.stage.folder))
        finally:
            os.close(lower)
            os.close(upper)

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
        if not target.exists():
            target.mkdir()
            belong(target)
    target /= last
    if target.is_symlink() or target.is_file() or (target.exists() and not target.is_dir()):
        target.unlink()
    elif target.is_dir():
        delete(target)
    target.write_bytes(data)
    belong(target)


def copy_of(
    files: Mapping[str, str],
    parent: Path | None = None,
    *,
    megabytes: int = _QUOTA,
    plain: bool = False,
) -> Workspace:
    """A folder with these files: copy-on-write, so that many of the same cost their changes only.

    A temporary folder where that is not possible here, with `plain` or in `parent`. `megabytes`:
    what the changes of a copy-on-write folder may hold.

    Raises:
        Refused: a name leads out of the folder, or text cannot be in a file.
    """

    def fill(root: Path) -> None:
        for path, text in files.items():
            place(root, path, text)

    if parent is None and not plain and possible():
        data = {path: encoded(path, text) for path, text in files.items()}
        with contextlib.suppress(Denied):
            return _staged(over_files(data, megabytes, fill))
    root = temporary(parent)
    try:
        fill(root)
    except BaseException:
        drop(root)
        raise
    return Workspace(root, snapshot(root), lambda: drop(root))


def isolated(root: Path, *, megabytes: int = _QUOTA, plain: bool = False) -> Workspace:
    """The user's own folder as it is now, where whatever changes is only here: copy-on-write.

    A copy in a temporary folder where that is not possible here, or with `plain`; links stay
    links, and caches that are not part of a snapshot are left behind.

    Raises:
        Refused: there is no such folder, or too much to copy.
    """
    if not plain and possible():
        with contextlib.suppress(Denied):
            return _staged(over_tree(root.resolve(), megabytes))
    copy = temporary()
    try:
        shutil.copytree(root, copy, symlinks=True, dirs_exist_ok=True, ignore=_special)
    except shutil.Error as error:
        drop(copy)
        raise Refused(f"{root} cannot be copied: {error.args[0][0][2]}.") from error
    return Workspace(copy, snapshot(copy), lambda: drop(copy))


def _staged(stage: Stage) -> Workspace:
    return Workspace(stage.root, {}, stage.drop, stage)


def _special(folder: str, names: list[str]) -> list[str]:
    """Pipes, sockets and devices, which a copy would hang on."""
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    modes = {name: Path(folder, name).lstat().st_mode for name in names}
    return [name for name, mode in modes.items() if not any(kind(mode) for kind in kinds)]


def worktree_of(repo: Path, commit: str = "HEAD", parent: Path | None = None) -> Workspace:
    """A detached git worktree of a repository at a commit.

    Raises:
        Refused: there is no such repository or commit.
    """
    folder = temporary(parent)
    root = folder / repo.resolve().name

    def remove() -> None:
        drop(folder)
        _git(repo, "worktree", "prune")

    try:
        _git(repo, "worktree", "add", "--detach", str(root), commit)
    except BaseException:
        drop(folder)
        raise
    return Workspace(root, snapshot(root), remove)


def in_place(root: Path) -> Workspace:
    """The folder itself: nothing is copied, and closing does nothing."""
    return Workspace(root, snapshot(root), lambda: None)


def _git(repo: Path, *arguments: str) -> None:
    """Run git without the hooks and the monitor that the repository names.

    Raises:
        Refused: it failed.
    """
    safe = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
    line = ["git", *safe, "-C", str(repo), *arguments]
    try:
        subprocess.run(line, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise Refused("git is not installed; install it.") from error
    except subprocess.CalledProcessError as error:
        raw = error.stderr
        said = raw.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise Refused(f"git {arguments[0]} failed in {repo}: {said[0]}.") from error
