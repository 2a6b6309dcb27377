"""Copy-on-write workspaces on the host's side: an open folder that only the warden has mounted.

Everything on the host reaches it by the path of its descriptor, `/proc/self/fd/N`: a link that the
kernel follows, but that has no meaning in another process and cannot be resolved to another path.
"""

import hashlib
import os
import resource
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sandbox.warden.client import warden

_open: dict[str, "Stage"] = {}
"""By the path of the folder."""
_filling = threading.Lock()


@dataclass(frozen=True)
class Stage:
    """One of the warden's stages; see `sandbox.warden.stages`."""

    number: int
    folder: int
    """A descriptor."""
    origin: Path | None = None
    """The folder of the user's that it is over, if it is over one."""

    @property
    def root(self) -> Path:
        """The folder's path, in this process only."""
        return _path(self.folder)

    def layers(self) -> tuple[int, int]:
        """Descriptors of what it is over, and of what has changed; the caller's to close.

        Raises:
            SandboxBroken: the warden has died.
            Denied: so has the one that made it.
        """
        _, (lower, upper) = warden().ask("layers", self.number)
        return lower, upper

    def drop(self) -> None:
        """Remove it. Safe to call twice.

        Raises:
            SandboxBroken: the warden has died.
        """
        if _open.pop(str(self.root), None):
            os.close(self.folder)
            warden().ask("drop", self.number)


def stage_of(root: Path) -> Stage | None:
    """The stage that a folder is, if it is one."""
    return _open.get(str(root))


def possible() -> bool:
    """Whether stages can be made here.

    Raises:
        SandboxBroken: the warden does not start.
    """
    facts, _ = warden().ask("facts")
    return cast("dict[str, bool]", facts)["stages"]


def over_files(files: Mapping[str, bytes], megabytes: int, fill: Callable[[Path], None]) -> Stage:
    """A stage over these files, which are written once for all stages over the same.

    `fill` writes them into an empty folder.

    Raises:
        Denied: it cannot be made here.
        SandboxBroken: the warden has died.
    """
    key = _key(files)
    # Another thread must not find it half filled, nor take it for one that nobody uses.
    with _filling:
        new, (base,) = warden().ask("base", key)
        try:
            if new:
                fill(_path(base))
        except BaseException:
            warden().ask("forget_base", key)
            raise
        finally:
            os.close(base)
        return _opened("over_base", key, megabytes, None)


def over_tree(root: Path, megabytes: int) -> Stage:
    """A stage over a folder of the user's.

    Raises:
        Denied: it cannot be made here.
        SandboxBroken: the warden has died.
    """
    return _opened("over_tree", str(root), megabytes, root)


def _opened(request: str, below: str, megabytes: int, origin: Path | None) -> Stage:
    _allow_many()
    number, (folder,) = warden().ask(request, below, megabytes)
    stage = Stage(cast("int", number), folder, origin)
    _open[str(stage.root)] = stage
    return stage


def _path(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")


def _key(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, data in files.items():
        for part in (os.fsencode(path), data):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _allow_many() -> None:
    """A thousand workspaces are a thousand descriptors; the default limit is about that."""
    if len(_open) % 64 == 63:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 1024 + 4 * len(_open)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
