"""Commands in the background."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.limits import Limits
from tests.tools.live import live, use
from tools.jobs import read_job, start_job, stop_job
from tools.terminal import shell
from tools.tool import Context


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Context]:
    async with live(tmp_path, Limits()) as context:
        yield context


async def test_a_job_runs_beside_other_commands(work: Context) -> None:
    started = await use(work, start_job, command="echo begun; read line < gate; echo $line; exit 3")
    assert started.text.startswith("Started job 1; read_job shows its output.\nJob 1 has ended")
    await use(work, shell, command="mkfifo gate; mkdir sub; cd sub; export WORD=hi")
    started = await use(work, start_job, command="echo begun $WORD; read line < ../gate; exit 3")
    assert "Job 2 is running.\nbegun hi\n" in started.text
    assert (await use(work, read_job, job=2)).text == "Job 2 is running.\n[no new output]"
    assert (await use(work, shell, command="echo go > ../gate")).text == "[exit code 0]"
    ended = await use(work, read_job, job=2, seconds=20)
    assert ended.text == "Job 2 has ended: exit code 3.\n[no new output]"


async def test_a_job_is_stopped_with_what_it_started(work: Context) -> None:
    command = "echo $BASHPID > pid; (while true; do date > beat; sleep 0.05; done) & wait"
    await use(work, start_job, command=command)
    while not (work.root / "beat").exists():
        await asyncio.sleep(0.05)
    stopped = await use(work, stop_job, job=1)
    assert "Job 1 has ended: killed by signal 9." in stopped.text
    (work.root / "beat").unlink()
    await asyncio.sleep(0.3)
    assert not (work.root / "beat").exists()
    assert (await use(work, stop_job, job=1)).ok


async def test_nothing_outlives_the_conversation(work: Context) -> None:
    await use(work, start_job, command="while true; do date > beat; sleep 0.05; done")
    await work.memory.close()
    (work.root / "beat").unlink(missing_ok=True)
    await asyncio.sleep(0.3)
    assert not (work.root / "beat").exists()
    assert "There is no job 1. There are: none." in (await use(work, read_job, job=1)).text


async def test_only_new_output_is_shown_and_a_flood_is_cut(work: Context) -> None:
    command = "until [ -e go ]; do sleep 0.1; done; seq 1 300000; echo last; sleep 60"
    shown = (await use(work, start_job, command=command)).text
    (work.root / "go").touch()
    while "last\n" not in shown:
        observation = await use(work, read_job, job=1)
        shown += observation.text
        assert len(observation.text) < 8200
    assert "bytes cut" in shown
    assert "no new output" in (await use(work, read_job, job=1)).text


async def test_what_cannot_be(work: Context) -> None:
    assert "There is no job 7. There are: none." in (await use(work, read_job, job=7)).text
    assert not (await use(work, read_job, job=1, seconds=-1)).ok
    assert not (await use(work, start_job, command="a\0b")).ok
    for _ in range(8):
        assert (await use(work, start_job, command="sleep 60")).ok
    ninth = await use(work, start_job, command="sleep 60")
    assert "8 jobs run already: 1, 2, 3, 4, 5, 6, 7, 8; stop one of them." in ninth.text
    await use(work, stop_job, job=3)
    assert (await use(work, start_job, command="true")).ok


async def test_a_job_whose_sandbox_is_gone_is_lost_and_no_failed_command(work: Context) -> None:
    await use(work, start_job, command="sleep 60")
    await work.sandbox.close()
    shown = (await use(work, read_job, job=1, seconds=20)).text
    assert "Job 1 has ended: lost with its sandbox" in shown
