"""Kill a process with sandboxes and workspaces by SIGKILL at random moments; look what is left.

    python benchmarks/sandbox_killed.py --kills 100

Looked at from the host: processes, mounts, cgroups, temporary trees. Exits with 1 if any is left.
`--warden` kills the warden first, and the process that it belongs to right after it; then cgroups
and trees are left to the next start, and not counted.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

_SCRIPT = """
import asyncio, pathlib, sys
from sandbox.backend import open_sandbox
from sandbox.workspace import copy_of, isolated
async def main(folder):
    print("open", flush=True)
    while True:
        spaces = [copy_of({"a": "b"}), isolated(folder), copy_of({"a": "b"}, plain=True)]
        opened = [await open_sandbox(space.root) for space in spaces]
        line = ["sh", "-c", "echo x > made; setsid sleep 27182.8 & sleep 0.1"]
        for _ in range(3):
            await asyncio.gather(*(sandbox.run(line) for sandbox in opened))
        for sandbox, space in zip(opened, spaces):
            await sandbox.close()
            space.close()
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""
_HERE = Path(__file__).parents[1]
_PATIENCE = 5.0
"""Seconds that cleaning up may take."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warden", action="store_true")
    options = parser.parse_args()
    began, moments = time.monotonic(), random.Random(options.seed)
    left: Counter[str] = Counter()
    seen, slowest = 0, 0.0
    for _ in range(options.kills):
        found, count, seconds = kill(moments.uniform(0, 0.8), warden=options.warden)
        left.update(found)
        seen, slowest = seen + count, max(slowest, seconds)
    what = ", ".join(f"{left[kind]} {kind}" for kind in KINDS)
    print(
        f"{options.kills} kills, {seen} processes killed with them; left: {what}; "
        f"cleaned up after {1000 * slowest:.0f} ms at most; {time.monotonic() - began:.0f} s in all"
    )
    return 1 if left else 0


KINDS = ("processes", "mounts", "cgroups", "temporary trees")


def kill(moment: float, *, warden: bool = False) -> tuple[Counter[str], int, float]:
    """Kill once, `moment` seconds after the start: what is left of each kind after some time, how
    many processes there were, and how many seconds it took until nothing was left."""
    mounts = _mounts()
    with tempfile.TemporaryDirectory(prefix="sandbox-killed-") as folder:
        work, temporary = Path(folder, "work"), Path(folder, "tmp")
        work.mkdir()
        temporary.mkdir()
        (work / "file").write_text("text")
        parent = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, str(work)],
            env={
                **os.environ,
                "TMPDIR": str(temporary),
                "PYTHONPATH": str(Path(__file__).parents[1]),
            },
            stdout=subprocess.PIPE,
        )
        assert parent.stdout
        parent.stdout.readline()
        tree = _watched(parent.pid, time.monotonic() + moment)
        if warden:
            for pid, _ in [p for p in tree if b"sandbox.warden.serve" in _command(p[0])]:
                os.kill(pid, 9)
        parent.kill()
        killed = time.monotonic()
        parent.wait()
        parent.stdout.close()
        while True:
            left = _left(parent.pid, tree, temporary, mounts)
            if warden:  # Nobody can remove these before the next start.
                left -= Counter({kind: left[kind] for kind in KINDS[2:]})
            if not left or time.monotonic() > killed + _PATIENCE:
                return left, len(tree), time.monotonic() - killed
            time.sleep(0.002)


def _left(
    parent: int, tree: set[tuple[int, int]], temporary: Path, mounts: set[str]
) -> Counter[str]:
    folders = (name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names)
    groups = [name for name in folders if name.startswith(f"assistant-{parent}-")]
    counts = {
        "processes": sum(_started(pid) == start for pid, start in tree),
        "mounts": sum(str(temporary.parent) in line for line in _mounts() - mounts),
        "cgroups": len(groups),
        "temporary trees": len(list(temporary.iterdir())),
    }
    return Counter({kind: count for kind, count in counts.items() if count})


def _watched(parent: int, until: float) -> set[tuple[int, int]]:
    """All processes below one, as they come and go: their numbers and when they were started."""
    found: set[tuple[int, int]] = set()
    while True:
        pending = [parent]
        while pending:
            children = _children(pending.pop())
            found |= {(pid, _started(pid)) for pid in children}
            pending += children
        if time.monotonic() > until:
            return {(pid, start) for pid, start in found if start}
        time.sleep(0.002)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(number) for number in text.split()]
    except OSError:
        return []


def _started(pid: int) -> int:
    """When a process was started, in ticks; 0 where there is none, or where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in b"ZX" else int(fields[19])


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _mounts() -> set[str]:
    return set(Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    sys.exit(main())
