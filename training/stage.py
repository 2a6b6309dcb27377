"""A stage of training as a process of its own: started, listened to, ended; and its inside.

Parent and child share a job file (JSON) and the child's standard output, one JSON object a line.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

from sandbox.refused import Refused

News = dict[str, Any]
"""What a child tells: one JSON object."""
SCARCE = 64
"""Megabytes; a checkpoint of even the smallest student would not fit much below."""


class StageFailed(Refused):
    """A stage ended badly; the message has its own last words and names the log."""


async def run_stage(
    module: str,
    job: Mapping[str, Any],
    path: Path,
    tell: Callable[[News], None] = lambda news: None,
) -> None:
    """Run `python -P -m module path` to its end, after writing `job` to `path`.

    Cancelling kills the process and all it started. Its log stays beside the job file until
    it ended well.

    Raises:
        StageFailed: it did not end with status 0.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(job), encoding="utf-8")
    log = path.with_suffix(".log")
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, str(path.absolute())),
            cwd=path.parent,
            env=_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            limit=2**20,
        )
        try:
            await _listen(process, tell)
            status = await process.wait()
        finally:
            _kill(process)
            await process.wait()
    if status:
        raise StageFailed(f"{module} failed: {_last_words(log, status)} (log: {log}).{_room(log)}")
    log.unlink()
    path.unlink()


async def _listen(process: asyncio.subprocess.Process, tell: Callable[[News], None]) -> None:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    async for line in process.stdout:
        # Libraries print, too; what counts no steps is none of ours.
        news: object = None
        with contextlib.suppress(ValueError):
            news = json.loads(line)
        if isinstance(news, dict) and "step" in news:
            tell(cast("News", news))


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the process and its children. Its group outlives it as long as a child does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """Ours without what changes where modules come from; libraries stay off the network.

    OpenMP's threads sleep while they wait: spinning made training three times slower on two
    cores that something else was using as well.
    """
    dropped = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    return {"OMP_WAIT_POLICY": "PASSIVE"} | kept | quiet


def _last_words(log: Path, status: int) -> str:
    """The reason in one line: the child's last line, or the signal that ended it."""
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", probably because memory ran out" if name == "SIGKILL" else ""
        return f"it was ended by {name}{hint}"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return (lines or ["it said nothing"])[-1].strip()[:500].rstrip(".")


def _room(log: Path) -> str:
    """What to say where the disk is as good as full: libraries each say that in their own way."""
    left = shutil.disk_usage(log.parent).free // 2**20
    return f" Only {left} MB are free there: free disk space and retrain." if left < SCARCE else ""


@contextlib.contextmanager
def attached() -> Generator[News, None, None]:
    """Inside of a stage: its job, with a watch that ends this process when the parent is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    yield cast("News", json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def _end_with_parent() -> NoReturn:
    """Standard input is a pipe that nobody writes to: it ends when the parent does."""
    while os.read(0, 1):
        pass
    os._exit(3)


def say(**news: object) -> None:
    """Inside of a stage: tell the parent something."""
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()
