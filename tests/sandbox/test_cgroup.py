"""Finding where groups can be made, from tables of mounts as machines have them."""

import os
from pathlib import Path

from sandbox.cgroup import Cgroup, controllers
from sandbox.limits import Limits


def _machine(folder: Path, mounts: str, own: str) -> tuple[Path, Path]:
    (folder / "mounts").write_text(mounts)
    (folder / "own").write_text(own)
    return folder / "mounts", folder / "own"


def test_first_version_uses_the_own_group_of_each_controller(tmp_path: Path) -> None:
    (tmp_path / "memory/box").mkdir(parents=True)
    (tmp_path / "pids").mkdir()
    mounts = "".join(f"cgroup {tmp_path}/{c} cgroup rw,{c} 0 0\n" for c in ("memory", "pids"))
    found = controllers(*_machine(tmp_path, mounts, "4:memory:/box\n8:pids:/\n0::/\n"))
    assert (found.memory, found.pids) == (tmp_path / "memory/box", tmp_path / "pids")
    files = found.group(Limits(memory_mb=100, processes=10)).files
    assert [Path(folder).parent for folder, _ in files] == [
        tmp_path / "memory/box",
        tmp_path / "pids",
    ]
    assert all(values["memory.limit_in_bytes"] == "104857600" for _, values in files)
    assert str(found) == "cgroup v1: memory, pids"


def test_processors_only_where_they_are_limited(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    mounts = f"cgroup {tmp_path}/cpu cgroup rw,cpu 0 0\n"
    found = controllers(*_machine(tmp_path, mounts, "4:cpu:/\n"))
    assert found.group(Limits()).files == []
    ((folder, values),) = found.group(Limits(cpus=1.5)).files
    assert Path(folder).parent == tmp_path / "cpu"
    assert values["cpu.cfs_quota_us"] == "150000"


def test_what_was_killed_for_memory_is_told_once(tmp_path: Path) -> None:
    for name, text in (
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
        ("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill {}\n"),
    ):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        group = Cgroup([(str(folder), {})])
        told: list[bool] = []
        for count in (0, 1, 1, 3):
            (folder / name).write_text(text.format(count))
            told.append(group.out_of_memory())
        assert told == [False, True, False, True]


def test_second_version_uses_a_sibling_where_the_controllers_are_delegated(tmp_path: Path) -> None:
    (tmp_path / "user/app.scope").mkdir(parents=True)
    (tmp_path / "user/cgroup.subtree_control").write_text("cpu memory pids")
    mounts = f"cgroup2 {tmp_path} cgroup2 rw 0 0\n"
    # The kernel refuses the write to a group with processes; here a folder stands in the way.
    (tmp_path / "user/app.scope/cgroup.subtree_control").mkdir()
    found = controllers(*_machine(tmp_path, mounts, "0::/user/app.scope\n"))
    assert found.unified
    assert found.memory == found.pids == found.cpu == tmp_path / "user"
    ((folder, values),) = found.group(Limits(memory_mb=1, cpus=2)).files
    assert Path(folder).parent == tmp_path / "user"
    assert values["memory.max"] == "1048576"
    assert values["cpu.max"] == "200000 100000"


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    found = controllers(*_machine(tmp_path, "proc /proc proc rw 0 0\n", "0::/\n"))
    assert (found.memory, found.pids) == (None, None)
    assert found.group(Limits()).files == []
    gone = controllers(tmp_path / "no mounts", tmp_path / "no cgroups")
    assert gone.group(Limits()).files == []


def test_what_dead_processes_left_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    dead, alive = (tmp_path / f"memory/assistant-{pid}-0" for pid in (2**22 + 1, os.getpid()))
    dead.mkdir()
    alive.mkdir()
    mounts = f"cgroup {tmp_path}/memory cgroup rw,memory 0 0\n"
    controllers(*_machine(tmp_path, mounts, "4:memory:/\n"))
    assert not dead.exists()
    assert alive.exists()
