"""Caps on memory, processes and processors of a whole sandbox, where the kernel lets us set them.

Covers cgroup v1 (a folder a controller) and v2 (one folder). Where no folder can be made there is
no cgroup; then the supervisor watches the memory, and RLIMIT_NPROC counts the processes.
"""

import contextlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.limits import Limits
from sandbox.warden.guard import remove_group

_PREFIX = "assistant-"
_OWN_PROCESSES = 3
"""bubblewrap, the supervisor and its relay count too."""
_PERIOD = 100_000
"""Microseconds in which processor time is counted."""
_numbers = itertools.count()


@dataclass
class Cgroup:
    """The folders of one sandbox's group; the warden makes and removes them."""

    files: list[tuple[str, dict[str, str]]] = field(
        default_factory=list[tuple[str, dict[str, str]]]
    )
    """Folders, and what is to be written to their files where those exist."""
    _killed: int = 0

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in here for memory since the last call."""
        before, self._killed = self._killed, max(self._killed, self._kills())
        return self._killed > before

    def _kills(self) -> int:
        for folder, _ in self.files:
            for name in ("memory.oom_control", "memory.events"):
                with contextlib.suppress(OSError):
                    lines = Path(folder, name).read_text(encoding="ascii").splitlines()
                    return next(int(n) for key, n in map(str.split, lines) if key == "oom_kill")
        return 0


@dataclass(frozen=True)
class Controllers:
    """Where groups can be made on this machine."""

    memory: Path | None
    pids: Path | None
    cpu: Path | None = None
    unified: bool = False

    def group(self, limits: Limits) -> Cgroup:
        """A new group with these limits, of no folder where none can be made."""
        name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
        values = _second_values(limits) if self.unified else _first_values(limits)
        bases = [self.memory, self.pids, self.cpu if limits.cpus else None]
        return Cgroup([(f"{base}/{name}", values) for base in dict.fromkeys(filter(None, bases))])

    def __str__(self) -> str:
        """As `assistant doctor` shows it."""
        names = [name for name in ("memory", "pids", "cpu") if getattr(self, name)]
        version = "v2" if self.unified else "v1"
        return f"cgroup {version}: {', '.join(names)}" if names else "no cgroup"


def _first_values(limits: Limits) -> dict[str, str]:
    memory = str(limits.memory_mb * 2**20)
    values = {
        "memory.limit_in_bytes": memory,
        "memory.memsw.limit_in_bytes": memory,
        "pids.max": str(limits.processes + _OWN_PROCESSES),
    }
    if limits.cpus:
        values["cpu.cfs_period_us"] = str(_PERIOD)
        values["cpu.cfs_quota_us"] = str(int(limits.cpus * _PERIOD))
    return values


def _second_values(limits: Limits) -> dict[str, str]:
    values = {
        "memory.max": str(limits.memory_mb * 2**20),
        "memory.swap.max": "0",
        "pids.max": str(limits.processes + _OWN_PROCESSES),
    }
    if limits.cpus:
        values["cpu.max"] = f"{int(limits.cpus * _PERIOD)} {_PERIOD}"
    return values


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
        return Controllers(None, None)
    memory, pids, cpu = (
        _proven(_first_version(table, paths, name)) for name in ("memory", "pids", "cpu")
    )
    if memory or pids or cpu:
        return Controllers(memory, pids, cpu)
    base = _proven(_second_version(table, paths))
    cpu = base if base and "cpu" in _given(base) else None
    return Controllers(base, base, cpu, unified=True)


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
    """Where v2 groups with the memory and pids controllers can be made.

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
    """Whether groups below a v2 group have what we need, after trying to give it to them."""
    with contextlib.suppress(OSError):
        for name in {"cpu", "memory", "pids"} - _given(base):
            with contextlib.suppress(OSError):
                (base / "cgroup.subtree_control").write_text(f"+{name}")
        return {"memory", "pids"} <= _given(base)
    return False


def _given(base: Path) -> set[str]:
    return set((base / "cgroup.subtree_control").read_text(encoding="ascii").split())


def _proven(base: Path | None) -> Path | None:
    """The folder where groups can really be made in it; what dead processes left is dropped."""
    if base is None:
        return None
    for folder in base.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                remove_group(str(folder))
    probe = base / f"{_PREFIX}{os.getpid()}-probe"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return None
    return base
