"""Whose container it is, written on it: what a process leaves behind is known by that, and removed.

Source: proc(5), `starttime` of /proc/PID/stat.
"""

import os
from collections.abc import Mapping
from pathlib import Path

LABEL = "assistant.owner"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def label() -> dict[str, str]:
    """What a container of this process is labelled with."""
    pid = os.getpid()
    return {LABEL: " ".join((_boot(), _pids(), str(pid), _started(pid)))}


def is_dead(labels: Mapping[str, str]) -> bool:
    """Whether the process that a container belongs to has ended.

    Not where that process is one of another container, whose processes are not seen here.
    """
    fields = labels.get(LABEL, "").split()
    if len(fields) != 4:
        return False
    boot, pids, pid, started = fields
    if boot != _boot():
        return True
    return pids == _pids() and pid.isdigit() and _started(int(pid)) != started


def _boot() -> str:
    return _BOOT.read_text(encoding="utf-8").strip()


def _pids() -> str:
    """The pid namespace that numbers of processes are from."""
    return str(Path("/proc/self/ns/pid").readlink())


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot; empty where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
