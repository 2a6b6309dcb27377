"""run_python with a memory: one interpreter for all calls of a conversation."""

import asyncio
import contextlib
import json
import re
import secrets
from dataclasses import dataclass, field

from sandbox.conversation import finished
from sandbox.lent.output import Capped
from sandbox.sandbox import Process, Sandbox, SandboxBroken
from tools.clip import LIMIT
from tools.shell import NOTES, PYTHON_MORE, checked, ending, noted
from tools.tool import Context, tool

_PATIENCE = 3.0
"""Seconds that code may take to end after Ctrl-C."""
_LOST = "all variables are lost"


@tool("run")
async def run_python(context: Context, code: str) -> str:
    """Run Python code in the workspace; variables and imports last from call to call.

    The value of the last line is shown, and figures of matplotlib become files.

    Args:
        context: The workspace.
        code: Statements, as in a cell of a notebook.
    """
    checked(code)
    return await context.memory.of(Notebook).run(context.sandbox, code)


@dataclass
class Notebook:
    """The interpreter, once there is one. One cell runs at a time."""

    _interpreter: "_Interpreter | None" = None
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, sandbox: Sandbox, code: str) -> str:
        """Run a cell; the observation says where variables were lost.

        Raises:
            SandboxBroken: the sandbox itself failed.
        """
        async with self._busy:
            lost = self._interpreter.ended() if self._interpreter else ""
            if self._interpreter is None or lost:
                self._interpreter = await _Interpreter.start(sandbox)
            output = Capped(LIMIT - NOTES)
            how = await self._interpreter.run(code, output, sandbox.limits.seconds)
            if _LOST in how:
                self._interpreter = None
            before = f"[{lost}]\n" if lost else ""
            return noted(before + output.text(), how, PYTHON_MORE if output.cut else "")

    async def close(self) -> None:
        """End the interpreter."""
        interpreter, self._interpreter = self._interpreter, None
        if interpreter:
            await interpreter.close()


class _Interpreter:
    """One run of `sandbox/lent/notebook.py`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._end = asyncio.ensure_future(process.wait())
        # Nobody may come back to ask how it ended.
        self._end.add_done_callback(lambda end: end.cancelled() or end.exception())
        self._unclaimed = b""
        """Output that was read and not shown yet."""

    @staticmethod
    async def start(sandbox: Sandbox) -> "_Interpreter":
        command = [sandbox.python, "-u", f"{sandbox.lent}/notebook.py"]
        # matplotlib would look for a screen.
        return _Interpreter(await sandbox.start(command, env={"MPLBACKEND": "Agg"}))

    def ended(self) -> str:
        """How it has ended; empty while it runs."""
        if not self._end.done():
            return ""
        error = self._end.exception()
        how = f"{error}" if error else ending(self._end.result(), 0)
        return f"the interpreter has ended ({how}): {_LOST}"

    async def run(self, code: str, output: Capped, seconds: float) -> str:
        """Run a cell and return how it ended; what it wrote goes into `output`.

        Cancelling stops the code; variables are kept where it stops when asked to.

        Raises:
            SandboxBroken: nobody knows how it ended.
        """
        mark = secrets.token_hex(16)
        order = json.dumps({"code": code, "mark": mark}) + "\n"
        try:
            async with asyncio.timeout(seconds):
                await self._process.write(order.encode())
                return await self._read(mark, output)
        except TimeoutError:
            kept = await self._stop(mark, output)
        except asyncio.CancelledError:
            await finished(self._stop(mark, output))
            raise
        return f"stopped after {seconds:g} s; " + ("variables are kept" if kept else _LOST)

    async def close(self) -> None:
        """End it with all that it started."""
        with contextlib.suppress(SandboxBroken):
            await self._process.kill()
            await self._end

    async def _stop(self, mark: str, output: Capped) -> bool:
        """Press Ctrl-C, and kill where that does not help; whether it is still there."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.interrupt()
                await self._read(mark, output)
        except TimeoutError:
            await self.close()
            output.feed(self._unclaimed)
        return not self._end.done()

    async def _read(self, mark: str, output: Capped) -> str:
        """Up to the line that begins with the mark, or to the end of the interpreter."""
        # The code knows the mark if it wants to: what it says with it is bounded all the same.
        line = re.compile(rb"\n%b (\d{1,3})\n" % mark.encode())
        room = len(mark) + len("\n 255\n")
        data = b""
        while True:
            self._unclaimed += data
            if found := line.search(self._unclaimed):
                output.feed(self._unclaimed[: found.start()])
                self._unclaimed = self._unclaimed[found.end() :]
                return f"exit code {found[1].decode()}"
            output.feed(self._unclaimed[:-room])
            self._unclaimed = self._unclaimed[-room:]
            data = await self._process.read()
            if not data:
                output.feed(self._unclaimed)
                await self._end
                return self.ended()
