"""Commands through a supervisor, without any sandbox around it: what holds for every backend."""

import asyncio
import errno
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.backend import open_sandbox
from sandbox.bare import Bare
from sandbox.launch import Channel
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox, SandboxBroken
from sandbox.supervised import Supervised

_LIMITS = Limits(seconds=30, memory_mb=512)


@pytest.fixture(params=["none", "bubblewrap"])
async def box(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """With a namespace that dies with its supervisor, and without."""
    sandbox = await open_sandbox(tmp_path, limits=_LIMITS, backend=request.param)
    yield sandbox
    await sandbox.close()


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Supervised]:
    sandbox = Supervised(tmp_path, Bare(tmp_path, _LIMITS), _LIMITS)
    yield sandbox
    await sandbox.close()


def _mark(number: int) -> str:
    """Seconds to sleep that nobody else sleeps; not even another run of these tests."""
    return f"{27183 + number}.{os.getpid()}"


def _alive(mark: str) -> int:
    """Processes whose command line holds a mark; those that only wait to be reaped have none."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += mark.encode() in path.read_bytes()
        except OSError:
            continue
    return count


async def _until(mark: str, count: int) -> None:
    async with asyncio.timeout(10):
        while _alive(mark) != count:
            await asyncio.sleep(0.01)


async def test_what_is_known_of_a_command(box: Sandbox, tmp_path: Path) -> None:
    ended = await box.run(["sh", "-c", "pwd; echo $A $0; echo no >&2; exit 3"], env={"A": "b c"})
    assert (ended.exit_code, ended.stderr) == (3, "no\n")
    assert ended.stdout == f"{box.workdir}\nb c sh\n"
    assert not ended.ok
    assert not ended.timed_out
    assert not ended.truncated
    assert ended.peak_mb > 0
    assert (await box.run(["true"])).ok


async def test_errors_in_their_place(box: Sandbox) -> None:
    script = "for i in 1 2 3; do echo $i; echo e$i >&2; done"
    ended = await box.run(["sh", "-c", script], merged=True)
    assert ended.stdout == "1\ne1\n2\ne2\n3\ne3\n"
    assert ended.stderr == ""


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_input_of_any_size(box: Sandbox, size: int) -> None:
    assert (await box.run(["wc", "-c"], stdin=b"x" * size)).stdout.strip() == str(size)


async def test_input_that_nobody_reads(box: Sandbox) -> None:
    data = b"x" * 3_000_000
    assert (await box.run(["true"], stdin=data)).ok
    ended = await box.run(["sh", "-c", "exec <&-; echo closed"], stdin=data)
    assert ended.stdout == "closed\n"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["no-such-program"], 127, "no-such-program: command not found\n"),
        (["./no/such"], 127, "./no/such: No such file or directory\n"),
        (["/etc/passwd"], 126, "/etc/passwd: Permission denied\n"),
        (["/"], 126, "/: Permission denied\n"),
        ([""], 127, ": command not found\n"),
        ([], 126, "Cannot run the command: it is empty.\n"),
        (["echo", "a\0b"], 126, "Cannot run the command: an argument holds a NUL.\n"),
        (["echo", "\ud800"], 126, "Cannot run the command: an argument is no text"),
        (["echo", "x" * 200_000], 126, "echo: Argument list too long\n"),
        (["echo", "x" * 9_000_000], 126, "Cannot run the command: its arguments are too long.\n"),
        (["echo", *["x"] * 70_000], 126, "Cannot run the command: its arguments are too long.\n"),
    ],
)
async def test_what_cannot_be_run(box: Sandbox, command: list[str], code: int, words: str) -> None:
    ended = await box.run(command)
    assert ended.exit_code == code
    assert ended.stderr.startswith(words)
    assert (await box.run(["true"])).ok


async def test_a_program_of_the_workspace(box: Sandbox, tmp_path: Path) -> None:
    script = tmp_path / "mine"
    script.write_bytes(b"#!/no/such/interpreter\n")
    assert (await box.run(["./mine"])).exit_code == 126
    script.chmod(0o755)
    assert (await box.run(["./mine"])).exit_code == 127
    script.write_bytes(b"\x7fELF nonsense")
    assert (await box.run(["./mine"])).exit_code == 126
    script.write_bytes(b"#!/bin/sh\necho mine\n")
    assert (await box.run(["./mine"])).stdout == "mine\n"


_ARGUMENT = st.text(max_size=30).filter(lambda text: "\0" not in text and _is_file_name(text))


def _is_file_name(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def test_arguments_and_output_of_any_kind(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        sandbox = Supervised(tmp_path, Bare(tmp_path, _LIMITS), _LIMITS)

        @settings(deadline=None, max_examples=60)
        @given(st.lists(_ARGUMENT, max_size=5))
        def check(arguments: list[str]) -> None:
            command = ["/usr/bin/printf", "%s|", "--", *arguments]
            ended = runner.run(sandbox.run(command))
            data = "|".join(["--", *arguments, ""]).encode("utf-8", "surrogateescape")
            assert ended.stdout == data.decode(errors="replace")

        check()
        runner.run(sandbox.close())


async def test_a_signal_is_told(box: Sandbox) -> None:
    assert (await box.run(["sh", "-c", "kill -TERM $$"])).exit_code == -15
    # What we ignore and hold back ourselves is neither ignored nor held back in there.
    ended = await box.run(["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"])
    held, ignored = (int(line.split()[1], 16) for line in ended.stdout.splitlines())
    assert held == 0
    assert ignored & ~(0b11 << 31) == 0  # 32 and 33 are glibc's own.
    assert (await box.run(["sh", "-c", "yes | head -n 1; kill -PIPE $$"])).exit_code == -13


async def test_nothing_of_ours_is_open_inside(box: Sandbox) -> None:
    """Not even a descriptor that somebody above us has left open."""
    ended = await box.run(["ls", "/proc/self/fd"])
    assert ended.stdout.split() == ["0", "1", "2", "3"]  # The last is the folder itself.


async def test_output_is_cut_in_the_middle(box: Sandbox) -> None:
    script = "echo first; head -c 300000000 /dev/zero; echo last; echo fine >&2"
    ended = await box.run(["sh", "-c", script], output_bytes=1000)
    assert ended.truncated
    assert ended.stdout.startswith("first\n")
    assert ended.stdout.endswith("last\n")
    assert "[... 299999011 bytes cut ...]" in ended.stdout
    assert len(ended.stdout) < 1100
    assert ended.stderr == "fine\n"


async def test_the_last_of_a_large_pipe(box: Sandbox) -> None:
    script = (
        "import fcntl, os; fcntl.fcntl(1, 1031, 2**20); os.write(1, b'x' * 900_000); os.abort()"
    )
    ended = await box.run([box.python, "-c", script], output_bytes=2**20)
    assert ended.stdout == "x" * 900_000


async def test_a_command_that_takes_too_long(box: Sandbox) -> None:
    script = f"echo begun; setsid sleep {_mark(1)} & (setsid sleep {_mark(1)} &) ; sleep {_mark(1)}"
    ended = await box.run(["sh", "-c", script], seconds=0.5)
    assert ended.timed_out
    assert ended.stdout == "begun\n"
    assert ended.exit_code == -9
    assert 0.5 <= ended.seconds < 2
    assert _alive(_mark(1)) == 0


async def test_what_is_left_running_is_killed_and_not_waited_for(box: Sandbox) -> None:
    began = time.monotonic()
    script = f"sleep {_mark(2)} & setsid sleep {_mark(2)} & (setsid sleep {_mark(2)} &); echo done"
    ended = await box.run(["sh", "-c", script])
    assert ended.stdout == "done\n"
    assert time.monotonic() - began < 5
    assert _alive(_mark(2)) == 0


async def test_two_at_once(box: Sandbox) -> None:
    """The end of one does not touch the other, nor what the other has put aside."""
    script = f"(sleep {_mark(3)} &); sleep {_mark(3)} & sleep 0.6; kill -0 $!"
    long = asyncio.create_task(box.run(["sh", "-c", script]))
    await _until(_mark(3), 3)
    assert (await box.run(["sh", "-c", f"(sleep {_mark(4)} &)"])).ok
    assert _alive(_mark(4)) == 0
    assert _alive(f"sleep\000{_mark(3)}") == 2
    assert (await long).ok
    assert _alive(_mark(3)) == 0


async def test_many_at_once(box: Sandbox) -> None:
    commands = (box.run(["sh", "-c", f"echo {n}; exit {n}"]) for n in range(40))
    for number, ended in enumerate(await asyncio.gather(*commands)):
        assert (ended.exit_code, ended.stdout) == (number, f"{number}\n")


async def test_beside_others(box: Sandbox) -> None:
    process = await box.start(["sh", "-c", "while read x; do echo got $x; echo err >&2; done"])
    await process.write(b"one\n")
    text = b""
    while text.count(b"\n") < 2:
        text += await process.read()
    assert text == b"got one\nerr\n"
    assert (await box.run(["true"])).ok
    await process.write(b"two\n")
    assert (await process.read()).startswith(b"got two\n")
    await process.kill()
    await process.kill()
    assert (await process.wait()).exit_code == -9
    await process.write(b"three\n")
    while await process.read():
        pass


async def test_its_last_words_are_kept(box: Sandbox) -> None:
    process = await box.start(["sh", "-c", "echo one; echo two >&2; exit 4"])
    ended = await process.wait()
    assert (ended.exit_code, ended.stdout) == (4, "one\ntwo\n")
    assert await process.read() == b"one\ntwo\n"
    assert await process.read() == b""


async def test_input_waits_for_who_reads_it(box: Sandbox) -> None:
    process = await box.start(["sh", "-c", "read x; sleep 60"])
    writing = asyncio.create_task(process.write(b"x\n" * 5_000_000))
    await asyncio.sleep(0.3)
    assert not writing.done()
    await process.kill()
    await writing


async def test_a_program_that_is_not_there_ends_at_once(box: Sandbox) -> None:
    process = await box.start(["no-such-program"])
    ended = await process.wait()
    assert ended.exit_code == 127
    assert "command not found" in ended.stderr


async def test_ctrl_c(box: Sandbox) -> None:
    script = "trap 'echo stopped; exit 5' INT; echo ready; while :; do sleep 0.05; done"
    process = await box.start(["sh", "-c", script])
    assert await process.read() == b"ready\n"
    await process.interrupt()
    assert await process.read() == b"stopped\n"
    assert (await process.wait()).exit_code == 5


async def test_a_read_that_is_given_up_loses_nothing(box: Sandbox) -> None:
    process = await box.start(["cat"])
    for number in range(20):
        reading = asyncio.create_task(process.read())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        await process.write(b"%d\n" % number)
        assert await process.read() == b"%d\n" % number


async def test_what_nobody_reads_is_capped(tmp_path: Path) -> None:
    limits = Limits(output_bytes=1000)
    sandbox = Supervised(tmp_path, Bare(tmp_path, limits), limits)
    process = await sandbox.start(["yes"])
    for _ in range(3):
        await asyncio.sleep(0.2)
        assert len(await process.read()) < 1100
    await process.kill()
    assert (await process.wait()).truncated
    await sandbox.close()


async def test_a_sandbox_that_is_closed_leaves_nothing(box: Sandbox) -> None:
    process = await box.start(["sh", "-c", f"setsid sleep {_mark(5)} & sleep {_mark(5)}"])
    running = asyncio.create_task(box.run(["sleep", _mark(5)]))
    await _until(_mark(5), 4)
    await box.close()
    assert _alive(_mark(5)) == 0
    with pytest.raises(SandboxBroken, match="closed"):
        await running
    with pytest.raises(SandboxBroken, match="closed"):
        await process.wait()
    with pytest.raises(SandboxBroken, match="closed"):
        await process.read()
    with pytest.raises(SandboxBroken, match="closed"):
        await box.run(["true"])
    await box.close()


async def test_cancelled_at_any_moment_it_leaves_nothing(box: Sandbox) -> None:
    moments = random.Random(5)
    script = f"setsid sleep {_mark(6)} & sleep {_mark(6)}"
    for attempt in range(60):
        running = asyncio.create_task(box.run(["sh", "-c", script], stdin=b"x" * 100_000))
        if attempt % 2:
            await asyncio.sleep(moments.random() * 0.02)
        else:
            for _ in range(attempt // 2):
                await asyncio.sleep(0)
        running.cancel()
        running.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([running])
        assert running.cancelled()
        assert _alive(_mark(6)) == 0
    assert (await box.run(["true"])).ok


async def test_a_start_that_is_given_up(tmp_path: Path) -> None:
    """It serves the next command; or it is ended with the sandbox."""
    for attempt in range(12):
        sandbox = Supervised(tmp_path, Bare(tmp_path, _LIMITS), _LIMITS)
        running = asyncio.create_task(sandbox.run(["sleep", _mark(7)]))
        await asyncio.sleep(0.003 * attempt)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        if attempt % 2:
            assert (await sandbox.run(["true"])).ok
        await sandbox.close()
        assert _alive(_mark(7)) == 0


async def test_a_start_that_is_given_up_by_one_of_two(box: Sandbox) -> None:
    running = [asyncio.create_task(box.run(["echo", str(number)])) for number in range(2)]
    await asyncio.sleep(0.005)
    running[0].cancel()
    assert (await running[1]).stdout == "1\n"


async def test_a_supervisor_that_dies_is_replaced_once(bare: Supervised, tmp_path: Path) -> None:
    process = await bare.start(["sleep", _mark(8)])
    assert (await bare.run(["true"])).ok
    script = "test -e died || { touch died; kill -9 $PPID; sleep 5; }; echo alive"
    assert (await bare.run(["sh", "-c", script])).stdout == "alive\n"
    with pytest.raises(SandboxBroken, match="by itself"):
        await process.wait()
    await _until(_mark(8), 0)
    with pytest.raises(SandboxBroken, match="by itself"):
        await bare.run(["sh", "-c", "kill -9 $PPID; exec sleep 1"])
    assert (await bare.run(["true"])).ok


async def test_signals_do_not_end_the_supervisor(bare: Supervised) -> None:
    script = (
        "for s in 1 2 3 6 10 12 13 14 15 17 18 20 21 22 25 28; do kill -$s $PPID; done; echo on"
    )
    process = await bare.start(["cat"])
    assert (await bare.run(["sh", "-c", script])).stdout == "on\n"
    await process.write(b"here\n")
    assert await process.read() == b"here\n"


async def test_a_supervisor_that_stands_still(bare: Supervised) -> None:
    began = time.monotonic()
    ended = await bare.run(["sh", "-c", f"kill -STOP $PPID; exec sleep {_mark(9)}"], seconds=0.3)
    assert ended.timed_out
    assert time.monotonic() - began < 10
    await _until(_mark(9), 0)
    assert (await bare.run(["true"])).ok


_HOG = (
    f"mark = {os.getpid()}; x = bytearray(%d * 2**20); x[::4096] = b'x' * len(x[::4096]); "
    "import time; time.sleep(3)"
)


async def test_memory_of_one(box: Sandbox) -> None:
    process = await box.start(["sleep", "30"])
    ended = await box.run([box.python, "-c", _HOG % 700])
    assert ended.killed == "more than 512 MB of memory"
    assert not ended.ok
    assert ended.seconds < 20
    assert (await box.run(["true"])).ok
    await process.kill()


async def test_memory_of_many_processes(box: Sandbox) -> None:
    script = 'for i in 1 2 3 4; do setsid python -c "$0" & done; wait'
    env = {"PATH": f"{Path(box.python).parent}:/usr/bin:/bin"}
    ended = await box.run(["sh", "-c", script, _HOG % 200], env=env)
    # The kernel kills what it has to and lets the rest go on; the watch ends the command.
    assert "more than 512 MB of memory" in ended.killed + ended.stderr
    assert _alive(f"mark = {os.getpid()}; x") == 0
    assert (await box.run([box.python, "-c", _HOG.replace("3)", "0)") % 300])).ok


async def test_a_disk_that_is_filled(tmp_path: Path) -> None:
    limits = Limits(workspace_mb=64, seconds=30)
    sandbox = Supervised(tmp_path, Bare(tmp_path, limits), limits)
    ended = await sandbox.run(["sh", "-c", "head -c 300000000 /dev/zero > big; sleep 30"])
    assert ended.killed == "more than 64 MB of disk"
    assert not ended.ok
    await sandbox.close()


async def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    limits = Limits(file_mb=1)
    sandbox = Supervised(tmp_path, Bare(tmp_path, limits), limits)
    ended = await sandbox.run(["head", "-c", "3000000", "/dev/zero"])
    assert ended.ok
    ended = await sandbox.run(["sh", "-c", "head -c 3000000 /dev/zero > big"])
    assert ended.killed == "a file of more than 1 MB"
    assert (tmp_path / "big").stat().st_size == 2**20
    await sandbox.close()


async def test_a_storm_of_processes(box: Sandbox) -> None:
    """Those that leave their parents as fast as they can are found as well."""
    script = (
        "import os, time\n"
        "def bear(depth):\n"
        "    for _ in range(3):\n"
        "        if depth and os.fork() == 0:\n"
        "            os.setsid(); bear(depth - 1)\n"
        f"            os.execv('/bin/sleep', ['sleep', '{_mark(11)}'])\n"
        "bear(4)\n"
        "print('done', flush=True)\n"
    )
    ended = await box.run([box.python, "-c", script])
    assert ended.stdout == "done\n"
    assert _alive(_mark(11)) == 0
    assert (await box.run(["true"])).ok


async def test_threads_of_children_leave_no_zombie(bare: Supervised) -> None:
    for _ in range(20):
        await bare.run(["sh", "-c", "for i in 1 2 3 4 5; do (setsid true &); done"])
    ended = await bare.run(["ps", "-o", "stat=", "--ppid", "0"])
    assert "Z" not in (await bare.run(["sh", "-c", "ps -o stat= --ppid $PPID"])).stdout
    assert "Z" not in ended.stdout


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
async def test_nothing_is_left_of_a_supervisor_that_is_killed(
    bare: Supervised, signal: str
) -> None:
    mark = _mark(40)
    script = (
        f"setsid sh -c '(sleep {mark} &); sleep {mark}' & sleep 0.3; "
        f"kill -{signal} $PPID; sleep {mark}"
    )
    process = await bare.start(["sh", "-c", script])
    await asyncio.sleep(1)
    await bare.close()
    with pytest.raises(SandboxBroken):
        await process.wait()
    await _until(mark, 0)


async def test_no_room_is_no_failed_command_and_the_workspace_is_tidied(tmp_path: Path) -> None:
    class Full(Bare):
        async def start(self) -> Channel:
            raise OSError(errno.EMFILE, "Too many open files")

    tidied: list[bool] = []
    sandbox = Supervised(tmp_path, Full(tmp_path, _LIMITS), _LIMITS, tidy=tidied.append)
    with pytest.raises(SandboxBroken, match="Too many open files"):
        await sandbox.run(["true"])
    await sandbox.close()
    assert tidied == [True]
