"""Commands that want too much: the host stays well and the result says what happened."""

import asyncio
import time
from pathlib import Path

import pytest

from sandbox import mounts
from sandbox.bubblewrap import Bubblewrap
from sandbox.cgroup import Controllers, controllers
from sandbox.interpreter import resolve
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox
from sandbox.supervised import Supervised
from tests.sandbox.opening import Opening


def _without_groups(root: Path, limits: Limits) -> Sandbox:
    """A sandbox as on a machine where no cgroup can be made."""
    program = mounts.bubblewrap()
    assert program
    interpreter = resolve(root, mounts.WORKDIR)
    launch = Bubblewrap(root, interpreter, limits, program, Controllers(None, None))
    return Supervised(root, launch, limits)


def _processes(mark: str) -> list[str]:
    """Processes on the host whose command line holds a mark."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


async def test_time_ends_the_whole_tree(sandbox: Sandbox) -> None:
    mark = "31415.901"
    command = f"(setsid sleep {mark} &) ; sleep {mark} & echo begun; trap '' TERM; sleep {mark}"
    began = time.monotonic()
    completed = await sandbox.run(["sh", "-c", command], seconds=0.7)
    assert completed.timed_out
    assert not completed.ok
    assert completed.exit_code == -9
    assert completed.stdout == "begun\n"
    assert time.monotonic() - began < 3
    assert _processes(mark) == []


async def test_a_background_child_that_holds_the_pipe_is_not_waited_for(sandbox: Sandbox) -> None:
    mark = "31415.902"
    began = time.monotonic()
    completed = await sandbox.run(["sh", "-c", f"setsid sleep {mark} & echo done; exit 3"])
    assert time.monotonic() - began < 2
    assert (completed.exit_code, completed.stdout) == (3, "done\n")
    assert _processes(mark) == []


async def test_memory_of_one_process(opening: Opening, tmp_path: Path) -> None:
    sandbox = await opening(tmp_path, limits=Limits(memory_mb=100, seconds=30))
    code = "x = bytearray(400 * 2**20); print('got it')"
    completed = await sandbox.run(["python3", "-c", code])
    assert not completed.ok
    assert "got it" not in completed.stdout
    assert completed.killed == "more than 100 MB of memory"
    assert (await sandbox.run(["echo", "well"])).stdout == "well\n"


async def test_memory_of_one_process_where_there_are_no_groups(tmp_path: Path) -> None:
    sandbox = _without_groups(tmp_path, Limits(memory_mb=200))
    code = "x = bytearray(400 * 2**20); import time; time.sleep(20); print('got it')"
    completed = await sandbox.run(["python3", "-c", code])
    assert completed.killed == "more than 200 MB of memory"
    await sandbox.close()


async def test_memory_within_the_limit_is_given(opening: Opening, tmp_path: Path) -> None:
    code = "x = bytearray(60 * 2**20); print('got it')"
    for sandbox in (
        await opening(tmp_path, limits=Limits(memory_mb=200)),
        _without_groups(tmp_path, Limits(memory_mb=200)),
    ):
        completed = await sandbox.run(["python3", "-c", code])
        assert completed.stdout == "got it\n"
        await sandbox.close()


_FORKS = """
import os, time
made = 0
try:
    for _ in range(500):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError as error:
    print(made, error, flush=True)
"""


async def test_a_fork_bomb_burns_out(opening: Opening, tmp_path: Path) -> None:
    limits = Limits(processes=40, seconds=30)
    for sandbox in (await opening(tmp_path, limits=limits), _without_groups(tmp_path, limits)):
        completed = await sandbox.run(["python3", "-c", _FORKS])
        assert "temporarily unavailable" in completed.stdout
        assert 20 <= int(completed.stdout.split()[0]) <= 44
        await sandbox.close()


async def test_a_flood_of_output_is_capped_while_reading(sandbox: Sandbox) -> None:
    completed = await sandbox.run(
        ["sh", "-c", "head -c 1G /dev/zero; echo end"], seconds=60, output_bytes=10_000
    )
    assert completed.ok
    assert completed.truncated
    assert completed.stdout.endswith("end\n")
    assert "[... 1073731828 bytes cut ...]" in completed.stdout
    assert len(completed.stdout) < 10_100


async def test_an_endless_flood_is_stopped_by_time(sandbox: Sandbox) -> None:
    completed = await sandbox.run(["yes"], seconds=0.5, output_bytes=1000)
    assert completed.timed_out
    assert completed.stdout.startswith("y\ny\n")


async def test_processors_are_shared_out(opening: Opening, tmp_path: Path) -> None:
    if controllers().cpu is None:
        pytest.skip("there is no cgroup for processors here")
    sandbox = await opening(tmp_path, limits=Limits(cpus=0.2, seconds=30))
    code = """
import time
end = time.monotonic() + 1.0
while time.monotonic() < end:
    pass
print(time.process_time())
"""
    completed = await sandbox.run(["python3", "-c", code])
    assert float(completed.stdout) < 0.5


async def test_a_large_file_is_refused(opening: Opening, tmp_path: Path) -> None:
    sandbox = await opening(tmp_path, limits=Limits(file_mb=1))
    completed = await sandbox.run(["python3", "-c", "open('big', 'wb').truncate(3 * 2**20)"])
    assert not completed.ok
    assert (sandbox.root / "big").stat().st_size <= 2**20


async def test_full_temporary_folders_are_an_error_of_the_command(sandbox: Sandbox) -> None:
    completed = await sandbox.run(["sh", "-c", "head -c 100M /dev/zero > ~/full; echo $?"])
    assert "No space left" in completed.stderr


async def test_cancelling_kills_everything(sandbox: Sandbox) -> None:
    mark = "31415.903"
    task = asyncio.create_task(sandbox.run(["sh", "-c", f"setsid sleep {mark} & sleep {mark}"]))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if len(_processes(mark)) >= 3:
            break
    assert _processes(mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _processes(mark) == []


async def test_a_command_that_does_not_read_its_input(sandbox: Sandbox) -> None:
    completed = await sandbox.run(["sh", "-c", "exec <&-; echo fine"], stdin=b"x" * 2**22)
    assert completed.stdout == "fine\n"


async def test_full_folders_in_memory_leave_room_for_commands(
    tmp_path: Path, opening: Opening
) -> None:
    sandbox = await opening(tmp_path, limits=Limits(memory_mb=320))
    fill = "for f in /tmp $HOME /dev/shm; do head -c 400M /dev/zero > $f/x; done; echo full"
    assert (await sandbox.run(["sh", "-c", fill])).stdout == "full\n"
    assert (await sandbox.run([sandbox.python, "-c", "x = bytearray(100 * 2**20)"])).ok
    await sandbox.close()
