"""Finding where groups can be made, from tables of mounts as machines have them."""

import os
from pathlib import Path

from sandbox.cgroup import controllers
from sandbox.limits import Limits


def _machine(folder: Path, mounts: str, own: str) -> tuple[Path, Path]:
    (folder / "mounts").write_text(mounts)
    (folder / "own").write_text(own)
    return folder / "mounts", folder / "own"


async def test_first_version_uses_the_own_group_of_each_controller(tmp_path: Path) -> None:
    (tmp_path / "memory/box").mkdir(parents=True)
    (tmp_path / "pids").mkdir()
    mounts = "".join(f"cgroup {tmp_path}/{c} cgroup rw,{c} 0 0\n" for c in ("memory", "pids"))
    found = controllers(*_machine(tmp_path, mounts, "4:memory:/box\n8:pids:/\n0::/\n"))
    assert (found.memory, found.pids) == (tmp_path / "memory/box", tmp_path / "pids")
    group = found.group(Limits())
    assert group is not None
    assert [folder.parent for folder in group.folders] == [
        tmp_path / "memory/box",
        tmp_path / "pids",
    ]
    await group.remove()
    assert not any(folder.exists() for folder in group.folders)


def test_second_version_uses_a_sibling_where_the_controllers_are_delegated(tmp_path: Path) -> None:
    (tmp_path / "user/app.scope").mkdir(parents=True)
    (tmp_path / "user/cgroup.subtree_control").write_text("cpu memory pids")
    mounts = f"cgroup2 {tmp_path} cgroup2 rw 0 0\n"
    # The kernel refuses the write to a group with processes; here a folder stands in the way.
    (tmp_path / "user/app.scope/cgroup.subtree_control").mkdir()
    found = controllers(*_machine(tmp_path, mounts, "0::/user/app.scope\n"))
    assert found.unified
    assert found.memory == found.pids == tmp_path / "user"


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    found = controllers(*_machine(tmp_path, "proc /proc proc rw 0 0\n", "0::/\n"))
    assert (found.memory, found.pids) == (None, None)
    assert found.group(Limits()) is None
    gone = controllers(tmp_path / "no mounts", tmp_path / "no cgroups")
    assert gone.group(Limits()) is None


def test_what_dead_processes_left_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    dead, alive = (tmp_path / f"memory/assistant-{pid}-0" for pid in (2**22 + 1, os.getpid()))
    dead.mkdir()
    alive.mkdir()
    mounts = f"cgroup {tmp_path}/memory cgroup rw,memory 0 0\n"
    controllers(*_machine(tmp_path, mounts, "4:memory:/\n"))
    assert not dead.exists()
    assert alive.exists()
