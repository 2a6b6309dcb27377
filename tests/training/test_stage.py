import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.material import lora_job
from training.encode import Rows
from training.recipe import Recipe
from training.stage import StageFailed, run_stage

LONG = Recipe(steps=100_000, evaluations=1)


def running(job: Path) -> list[int]:
    """Processes whose command line names the job."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(job).encode() in words:
            found.append(int(path.parent.name))
    return found


async def test_failure_is_one_sentence_with_the_last_words(tmp_path: Path) -> None:
    job = tmp_path / "merge.job"
    with pytest.raises(StageFailed) as failure:
        await run_stage("training.merge", {"base": "nowhere"}, job)
    assert "training.merge failed: KeyError: 'adapter'" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert "Traceback" in (tmp_path / "merge.log").read_text()


async def test_cancelling_ends_the_process(base: Path, rows: Rows, tmp_path: Path) -> None:
    job, heard = tmp_path / "lora.job", asyncio.Event()
    task = asyncio.create_task(
        run_stage(
            "training.lora", lora_job(base, rows, tmp_path / "a", LONG), job, lambda _: heard.set()
        )
    )
    await asyncio.wait_for(heard.wait(), 60)
    assert running(job)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not running(job)


PARENT = """
import asyncio, json, sys
from pathlib import Path
from training.stage import run_stage
job = Path(sys.argv[1])
say = lambda news: print("up", flush=True)
asyncio.run(run_stage("training.lora", json.loads(sys.argv[2]), job, say))
"""


def test_a_stage_ends_with_its_parent(base: Path, rows: Rows, tmp_path: Path) -> None:
    job = tmp_path / "lora.job"
    content = json.dumps(lora_job(base, rows, tmp_path / "a", LONG))
    command = [sys.executable, "-c", PARENT, str(job), content]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()
    deadline = time.monotonic() + 10
    while running(job) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(job)


async def test_foreign_code_is_not_imported(tmp_path: Path) -> None:
    """The stage runs our modules, whatever lies in the folder it works in or in PYTHONPATH."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training/__init__.py").write_text("raise SystemExit('foreign code ran')")
    (tmp_path / "json.py").write_text("raise SystemExit('foreign code ran')")
    with pytest.raises(StageFailed, match="KeyError"):
        await run_stage("training.merge", {"base": "nowhere"}, tmp_path / "merge.job")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where this user may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_named_whatever_the_library_says(small_disk: Path) -> None:
    with pytest.raises(StageFailed, match=r"Only \d MB are free there: free disk space"):
        await run_stage("training.merge", {"base": "nowhere"}, small_disk / "merge.job")


async def test_where_there_is_room_nothing_is_said_of_it(tmp_path: Path) -> None:
    with pytest.raises(StageFailed) as failed:
        await run_stage("training.merge", {"base": "nowhere"}, tmp_path / "merge.job")
    assert "free" not in str(failed.value)
