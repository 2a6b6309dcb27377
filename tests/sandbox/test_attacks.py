"""Commands that want all there is: host and agent stay responsive, and are told what happened."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.backend import BACKENDS, open_sandbox
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox
from tools.call import JSON, Observation, ToolCall
from tools.registry import default_tools
from tools.tool import Context, execute

_LIMITS = Limits(
    seconds=20, memory_mb=700, processes=64, output_bytes=20_000, file_mb=64, workspace_mb=800
)
_MARK = "31415.926"
"""An argument of `sleep` by which the host finds what was left."""
_DAEMON = (
    "import os; os.fork() and os._exit(0); os.setsid(); os.closerange(0, 3); os.fork(); "
    f"os.execvp('sleep', ['sleep', '{_MARK}'])"
)
"""Not by the program `setsid`, which small images are without."""


@dataclass(frozen=True)
class Attack:
    """A shell command, and what the observation has to say about it."""

    command: str
    says: str
    """A regular expression."""
    seconds: int = 15


def _python(code: str) -> str:
    return f"python3 - <<'END'\n{code}\nEND"


_EAT = "x = bytearray({size} * 2**20)\nfor n in range(0, len(x), 4096): x[n] = 1\n"
_FILL = "for n in $(seq 40); do head -c 32M /dev/zero > {folder}/full$n || exit 7; done"
_ROOM = r"No space left|space|disk|MB of|File too large"
ATTACKS = {
    "fork bomb": Attack(
        "bomb() { bomb | bomb & }; bomb; sleep 1; echo over", r"unavailable|over|killed|stopped", 3
    ),
    "memory by one": Attack(_python(_EAT.format(size=1500) + "print('got it')"), r"[Mm]emory"),
    "memory by many": Attack(
        _python(
            "import os, time\nfor _ in range(8):\n    if not os.fork():\n"
            "        x = bytearray(150 * 2**20)\n"
            "        for n in range(0, len(x), 4096): x[n] = 1\n"
            "        time.sleep(20)\n        os._exit(0)\n"
            "for _ in range(8):\n    if os.wait()[1]: raise SystemExit(3)\nprint('got it')"
        ),
        r"[Mm]emory",
    ),
    "full /tmp": Attack(_FILL.format(folder="${TMPDIR:-/tmp}"), _ROOM),
    "full workspace": Attack(_FILL.format(folder="."), _ROOM),
    "sparse file": Attack("truncate -s 20G sparse", r"File too large|a file of more than"),
    "output": Attack("head -c 1G /dev/zero | tr '\\0' x; echo end", r"cut"),
    "endless loop": Attack("while :; do :; done", r"stopped after 1 s", 1),
    "daemon": Attack(
        f'python -c "{_DAEMON}"; echo left',
        r"left\n\[exit code 0",
    ),
    "background pipe": Attack(f"sleep {_MARK} & echo done", r"done\n\[exit code 0"),
    "100,000 files": Attack(
        _python(
            "import os\nfor n in range(100):\n    os.mkdir(f'd{n}')\n    for m in range(1000):\n"
            "        os.close(os.open(f'd{n}/{m}', os.O_CREAT | os.O_WRONLY))\nprint('made')"
        ),
        r"made\n\[exit code 0|MB of|No space|disk|stopped",
    ),
    "deep paths": Attack(
        _python(
            "import os\nfor _ in range(1500):\n    os.mkdir('d' * 50); os.chdir('d' * 50)\n"
            "print('deep')"
        ),
        r"deep\n\[exit code 0|MB of|No space",
    ),
}


@dataclass
class Stall:
    """The longest time that our event loop did not get round, in seconds."""

    loop: float = 0.0
    machine: float = 0.0
    """As long a plain thread of ours had to wait: that is the machine, not the loop."""


@asynccontextmanager
async def _watched() -> AsyncGenerator[Stall]:
    stall, ended = Stall(), threading.Event()

    def tick() -> None:
        while not ended.is_set():
            began = time.monotonic()
            time.sleep(0.01)
            stall.machine = max(stall.machine, time.monotonic() - began)

    async def turn() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            stall.loop = max(stall.loop, time.monotonic() - began)

    thread, task = threading.Thread(target=tick), asyncio.create_task(turn())
    thread.start()
    try:
        yield stall
    finally:
        task.cancel()
        ended.set()
        thread.join()


@pytest.fixture(params=[name for name in BACKENDS if name != "none"])
async def attacked(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sandbox]:
    if request.param == "docker":
        request.getfixturevalue("engine")
    if problem := await BACKENDS[request.param].canary():
        pytest.skip(problem)
    root = tmp_path / "workspace"
    root.mkdir()
    sandbox = await open_sandbox(root, limits=_LIMITS, own_python=False, backend=request.param)
    yield sandbox
    await sandbox.close()
    # `rmtree` descends by calling itself, and pytest keeps folders for later.
    process = await asyncio.create_subprocess_exec("rm", "-rf", "--", str(root))
    await process.wait()


async def _call(sandbox: Sandbox, tool: str, **arguments: JSON) -> Observation:
    context = Context(sandbox, sandbox.root)
    return await execute(ToolCall("1", tool, arguments), default_tools(), context)


def _left() -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if _MARK.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_host_stays_well(attacked: Sandbox, name: str) -> None:
    attack = ATTACKS[name]
    async with _watched() as stall:
        seen = await _call(attacked, "shell", command=attack.command, seconds=attack.seconds)
    assert re.search(attack.says, seen.text), seen.text[-500:]
    assert len(seen.text) < 40_000
    assert stall.loop < 0.5 + stall.machine, stall
    assert _left() == []
    async with _watched() as stall:
        listed = await _call(attacked, "list_files")
    assert len(listed.text) < 40_000
    assert stall.loop < 0.5 + stall.machine, stall
    well = await _call(attacked, "shell", command="rm -rf -- full* sparse; echo well")
    assert well.text == "well\n[exit code 0]", well.text
