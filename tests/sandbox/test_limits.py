"""Commands that want too much: the host stays well and the result says what happened."""

import asyncio
import time
from pathlib import Path

import pytest

from sandbox.bubblewrap import Bubblewrap
from sandbox.cgroup import Controllers
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox


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


async def test_memory_of_one_process(sandbox: Sandbox) -> None:
    sandbox.limits = Limits(memory_mb=100, seconds=30)
    completed = await sandbox.run(["python3", "-c", "x = bytearray(400 * 2**20); print('got it')"])
    assert not completed.ok
    assert "got it" not in completed.stdout
    assert "emory" in completed.stderr


async def test_memory_of_one_process_where_there_are_no_groups(sandbox: Sandbox) -> None:
    assert isinstance(sandbox, Bubblewrap)
    sandbox.controllers = Controllers(None, None, unified=False)
    code = "x = bytearray(400 * 2**20); print('got it')"
    sandbox.limits = Limits(memory_mb=200)
    completed = await sandbox.run(["python3", "-c", code])
    assert completed.exit_code == 1
    assert "MemoryError" in completed.stderr


async def test_memory_within_the_limit_is_given(sandbox: Sandbox) -> None:
    code = "x = bytearray(60 * 2**20); print('got it')"
    sandbox.limits = Limits(memory_mb=200)
    completed = await sandbox.run(["python3", "-c", code])
    assert completed.stdout == "got it\n"


async def test_a_fork_bomb_burns_out(sandbox: Sandbox) -> None:
    code = """
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
    sandbox.limits = Limits(processes=40, seconds=30)
    completed = await sandbox.run(["python3", "-c", code])
    assert "temporarily unavailable" in completed.stdout
    assert 20 <= int(completed.stdout.split()[0]) <= 44


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


async def test_a_large_file_is_refused(sandbox: Sandbox) -> None:
    sandbox.limits = Limits(file_mb=1)
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
