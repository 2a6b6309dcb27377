"""A killed parent leaves no process behind, whenever it was killed."""

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

from sandbox.sandbox import Sandbox

_SCRIPT = """
import asyncio, pathlib, sys
from sandbox.backend import open_sandbox
async def main():
    sandbox = await open_sandbox(pathlib.Path(sys.argv[1]))
    print("open", flush=True)
    command = f"setsid sleep {sys.argv[2]} & sleep {sys.argv[2]}"
    await asyncio.gather(*(sandbox.run(["sh", "-c", command]) for _ in range(2)))
asyncio.run(main())
"""


def _alive(mark: str) -> int:
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += mark.encode() in path.read_bytes()
        except OSError:
            continue
    return count


def test_kill_minus_nine_at_random_moments(tmp_path: Path) -> None:
    moments = random.Random(7)
    seen = 0
    for attempt in range(8):
        mark = f"27182.{attempt}"
        parent = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, str(tmp_path), mark],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
        )
        assert parent.stdout
        assert parent.stdout.readline() == b"open\n"
        time.sleep(0.3 if attempt == 0 else moments.random() * 0.05)
        seen = max(seen, _alive(mark) - 1)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        deadline = time.monotonic() + 3
        while _alive(mark) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _alive(mark) == 0
    assert seen >= 4  # The first attempt waited until both commands ran.


async def test_cancelled_in_the_middle_of_its_start_it_ends(sandbox: Sandbox) -> None:
    for attempt in range(60):
        mark = f"31415.{attempt}"
        running = asyncio.create_task(sandbox.run(["sleep", mark]))
        for _ in range(attempt % 10):
            await asyncio.sleep(0)
        # The event loop stands still, as on a busy machine, while bubblewrap goes on.
        time.sleep(0.001 * (attempt // 10))
        running.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([running])
        assert running.cancelled()
        assert _alive(mark) == 0
