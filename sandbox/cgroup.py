"""Caps on the memory and the processes of a whole tree, where the kernel lets us set them.

Covers cgroup v1 (memory, pids) and v2 (both in one folder). Where no folder can be made there is
no cgroup, and the per-process limits of `prlimit` are all there is.
"""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.limits import Limits

_PREFIX = "assistant-"
_OWN_PROCESSES = 1
"""The sandbox's pid 1 counts too."""
_numbers = itertools.count()


@dataclass(frozen=True)
class Cgroup:
    """The folders of one command's group."""

    folders: tuple[Path, ...]

    def join(self, pid: int) -> None:
        """Put a process into the group; what it starts from now on is in it too."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    @property
    def out_of_memory(self) -> bool:
        """The kernel killed something here because the memory cap was reached."""
        for folder in self.folders:
            for name in ("memory.oom_control", "memory.events"):
                with contextlib.suppress(OSError):
                    lines = (folder / name).read_text().splitlines()
                    if any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines):
                        return True
        return False

    def kill(self) -> None:
        """Kill every process in the group."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                for pid in (folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)

    async def remove(self) -> None:
        """Remove the folders; waits up to 2 s for the last process to be gone."""
        for folder in self.folders:
            for _ in range(200):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # Still somebody in it.
                    self.kill()
                    await asyncio.sleep(0.01)
                else:
                    break


@dataclass(frozen=True)
class Controllers:
    """Where groups can be made on this machine."""

    memory: Path | None
    pids: Path | None
    unified: bool

    def group(self, limits: Limits) -> Cgroup | None:
        """A new group with these limits, or None where none can be made."""
        name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
        made: list[Path] = []
        memory = str(limits.memory_mb * 2**20)
        values = {"pids.max": str(limits.processes + _OWN_PROCESSES)} | (
            {"memory.max": memory, "memory.swap.max": "0"}
            if self.unified
            else {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}
        )
        for base in dict.fromkeys(base for base in (self.memory, self.pids) if base):
            folder = base / name
            try:
                folder.mkdir()
            except OSError:
                continue
            made.append(folder)
            for file, value in values.items():
                if (folder / file).exists():
                    with contextlib.suppress(OSError):
                        (folder / file).write_text(value)
        return Cgroup(tuple(made)) if made else None


def controllers(
    mounts: Path = Path("/proc/self/mounts"), own: Path = Path("/proc/self/cgroup")
) -> Controllers:
    """Find where this process may make groups, and drop what dead processes left there."""
    try:
        table = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
        paths = dict(
            line.split(":", 2)[1:] for line in own.read_text(encoding="utf-8").splitlines()
        )
    except OSError:
        return Controllers(None, None, unified=False)
    memory = _first_version(table, paths, "memory")
    pids = _first_version(table, paths, "pids")
    unified = False
    if not memory and not pids:
        memory = pids = _second_version(table, paths)
        unified = True
    return Controllers(_proven(memory), _proven(pids), unified)


def _first_version(
    table: Sequence[Sequence[str]], paths: dict[str, str], controller: str
) -> Path | None:
    """Where a v1 controller's groups of ours can be made."""
    for _, mount, kind, options, *_ in table:
        if kind == "cgroup" and controller in options.split(","):
            own = next((p for names, p in paths.items() if controller in names.split(",")), "/")
            for base in (Path(mount, own.lstrip("/")), Path(mount)):
                if os.access(base, os.W_OK):
                    return base
    return None


def _second_version(table: Sequence[Sequence[str]], paths: dict[str, str]) -> Path | None:
    """Where v2 groups with both controllers can be made.

    A group that holds processes cannot have children with limits, hence the sibling: that is
    where a user's delegated systemd session lets us in.
    """
    for _, mount, kind, *_ in table:
        if kind != "cgroup2":
            continue
        own = Path(mount, paths.get("", "/").lstrip("/"))
        for base in (own, own.parent):
            if Path(mount) not in (base, *base.parents) or not os.access(base, os.W_OK):
                continue
            if _enabled(base):
                return base
    return None


def _enabled(base: Path) -> bool:
    """Whether groups below a v2 group have both controllers, after trying to give them."""
    for order in ("", "+memory +pids"):
        with contextlib.suppress(OSError):
            if order:
                (base / "cgroup.subtree_control").write_text(order)
            if {"memory", "pids"} <= set((base / "cgroup.subtree_control").read_text().split()):
                return True
    return False


def _proven(base: Path | None) -> Path | None:
    """The folder where groups can really be made in it; what dead processes left is dropped."""
    if base is None:
        return None
    for folder in base.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
    probe = base / f"{_PREFIX}{os.getpid()}-probe"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return None
    return base
