"""A sandbox in which `python -m …` starts at once: its interpreter is forked, not started anew.

What runs, and what it says, is real; only the start of the interpreter and the imports of pytest
are saved, which take ten times as long as the tests of a small program. Everything else is run by
the sandbox itself. For making many episodes of trusted code: a test sees the server's modules.
"""

import asyncio
import json
import shlex
import time
from collections.abc import Sequence
from typing import Any

from sandbox.completed import Completed
from sandbox.sandbox import Process, Sandbox

_SERVER = """
import json, os, runpy, signal, sys
import pytest, _pytest.assertion.rewrite, _pytest.terminal, unittest, unittest.main
def child(words, write):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0); os.dup2(write, 1); os.dup2(write, 2)
    signal.alarm(20)
    sys.argv, sys.path[0], code = [words[0], *words[1:]], os.getcwd(), 1
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True); code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush(); sys.stderr.flush()
    os._exit(code)
for line in sys.stdin:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        child(json.loads(line), write)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.stdout.write(json.dumps([status, said.decode(errors="replace")]) + "\\n")
    sys.stdout.flush()
"""


class Warm:
    """Wraps a `Sandbox`; one command at a time."""

    def __init__(self, sandbox: Sandbox) -> None:
        """`sandbox` is closed by whoever opened it."""
        self._sandbox = sandbox
        self._server: Process | None = None
        self._read = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the sandbox's own
        return getattr(self._sandbox, name)

    async def run(self, command: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401
        """As the sandbox's own."""
        words = _module(command)
        if words is None:
            return await self._sandbox.run(command, **options)
        began = time.monotonic()
        code, output = await self._ask(words)
        return Completed(code, output, "", time.monotonic() - began)

    async def _ask(self, words: list[str]) -> tuple[int, str]:
        if self._server is None:
            self._server = await self._sandbox.start([self._sandbox.python, "-c", _SERVER])
        await self._server.write(json.dumps(words).encode() + b"\n")
        while b"\n" not in self._read:
            piece = await asyncio.wait_for(self._server.read(), 60)
            if not piece:
                raise RuntimeError(f"The warm interpreter ended: {self._read.decode()}")
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        code, output = json.loads(line)
        return code, output


def _module(command: Sequence[str]) -> list[str] | None:
    """The words behind `python -m`, if that is all that the command is."""
    if list(command[:2]) != ["bash", "-c"] or set(command[2]) & set("|&;<>$`*?\\\n(){}"):
        return None
    words = shlex.split(command[2])
    plain = words[:2] == ["python", "-m"] and words[2:3] in (["pytest"], ["unittest"])
    return words[2:] if plain else None
