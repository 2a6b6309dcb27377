"""Which parts of a workspace commands may not change, as data for every kind of backend."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from sandbox.sandbox import SandboxUnavailable
from sandbox.tree import TreeError, name


@dataclass(frozen=True)
class Part:
    """A part of the workspace that is a mount of its own, and so cannot be renamed away.

    Where `source` is None it is an empty folder that nobody can write to.
    """

    path: str
    """Relative to the workspace."""
    source: Path | None
    readonly: bool


_DEEP = 4
"""Folders within each other that are searched for repositories."""
_FOLDERS = 2000
"""Folders that are searched in all: a sandbox has to open at once."""
_NESTED = 20
"""Repositories within the workspace that get mounts of their own: each mount costs time."""
SETTINGS = (".assistant", "assistant.toml", ".mcp.json", ".envrc", ".vscode", ".idea")
"""What agents, shells and editors on the host read, and may run programs by."""
_PASSED_OVER = frozenset(("node_modules", ".venv", "venv", "__pycache__"))
EMPTY = Path(__file__).parent / "lent/empty"
"""Stands for a file that is not there."""


def parts(root: Path, readonly: Sequence[Path]) -> tuple[Part, ...]:
    """Hooks and configuration of git, settings of editors and agents, and `readonly`, each behind
    the folders above it.

    Raises:
        SandboxUnavailable: a repository is laid out so that it cannot be protected.
    """
    found = [*_git(root), *_settings(root)]
    above = {Path(part.path) for part in found}
    """What is a mount already: one more would hide those inside of it."""

    def behind(place: Path) -> Iterator[Part]:
        # A folder that could be renamed could be replaced: every folder above is a mount too.
        for parent in reversed(place.parents[:-1]):
            if parent not in above:
                above.add(parent)
                yield Part(str(parent), root / parent, readonly=False)

    for folder in islice(_nested(root), _NESTED):
        # One that cannot be protected is looked after by `sandbox.planted`.
        with contextlib.suppress(SandboxUnavailable):
            inner = [replace(part, path=f"{folder}/{part.path}") for part in _git(root / folder)]
            found += behind(folder / ".git")
            above.update(Path(part.path) for part in inner)
            found += inner
    for path in readonly:
        place = _inside(root, path)
        found += [*behind(place), Part(str(place), root / place, readonly=True)]
    return tuple(found)


def users(path: str, readonly: Sequence[Path]) -> bool:
    """Whether only the user changes a path of the workspace, which has no detours in it.

    For what the host writes on behalf of a model, where no mount forbids it: settings that are not
    there yet count too. Links are not followed by whoever writes, so the name tells.
    """
    place = Path(path)
    return any(place.is_relative_to(own) for own in (*SETTINGS, *readonly))


def _nested(root: Path) -> Iterator[Path]:
    """Folders of repositories in the workspace, relative to it, as far as a short look finds."""
    left = _FOLDERS
    for here, folders, files in os.walk(root):
        folder = Path(here).relative_to(root)
        if folder.parts and (".git" in folders or ".git" in files):
            yield folder
        left -= 1
        if left <= 0:
            return
        deep = len(folder.parts) >= _DEEP
        folders[:] = [] if deep else sorted(set(folders) - _PASSED_OVER - {".git"})


def _settings(root: Path) -> Iterator[Part]:
    """Those that are there; a link is left as it is, since what it leads to may be outside."""
    for item in SETTINGS:
        path = root / item
        if not path.is_symlink() and (path.is_file() or path.is_dir()):
            yield Part(item, path, readonly=True)


def _inside(root: Path, path: Path) -> Path:
    """A path relative to the workspace.

    Raises:
        SandboxUnavailable: it leads out of it.
    """
    try:
        return Path(name(str(path.relative_to(root) if path.is_absolute() else path)))
    except (TreeError, ValueError) as error:
        raise SandboxUnavailable(f"No sandbox for {root}: {path} is not inside of it.") from error


def _git(root: Path) -> Iterator[Part]:
    """What git would run on the host must not be written: hooks and configuration.

    Raises:
        SandboxUnavailable: one of them is a link.
    """
    folder = root / ".git"
    links = [p for p in (folder, folder / "hooks", folder / "config") if p.is_symlink()]
    if links:
        raise SandboxUnavailable(
            f"No sandbox for {root}: {links[0]} is a link, so git's hooks cannot be protected; "
            "replace it by what it links to."
        )
    if folder.is_file():  # A worktree: the file says where the repository is.
        yield Part(".git", folder, readonly=True)
    if not folder.is_dir():
        return
    yield Part(".git", folder, readonly=False)
    hooks, config = folder / "hooks", folder / "config"
    yield Part(".git/hooks", hooks if hooks.is_dir() else None, readonly=True)
    yield Part(".git/config", config if config.is_file() else EMPTY, readonly=True)
    for part in ("config.worktree", "modules", "worktrees"):
        if (folder / part).exists():
            yield Part(f".git/{part}", folder / part, readonly=True)
