"""One command as the host knows it: what the supervisor says of it is judged and kept here."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from struct import error as StructError
from typing import Any

from sandbox.lent import frames
from sandbox.lent.frames import BadFrame
from sandbox.sandbox import SandboxBroken

_LARGEST_REASON = 2**16
_MARK = 100
"""Bytes that the line about cut output may take."""


@dataclass(frozen=True)
class End:
    """What the supervisor said of the end of a command."""

    exit_code: int
    peak_mb: float = 0.0
    cut: bool = False
    over_memory: bool = False
    left: bool = False
    """Processes are left that it could not kill."""

    @staticmethod
    def unpack(payload: bytes) -> "End":
        """From a frame.

        Raises:
            BadFrame: no command ends like that.
        """
        try:
            code, peak, cut_out, cut_err, memory, left = frames.ENDED.unpack(payload)
        except StructError as error:
            raise BadFrame("an end of another size") from error
        if not -64 <= code <= 255:
            raise BadFrame(f"an exit code of {code}")
        return End(code, peak / 1024, bool(cut_out or cut_err), bool(memory), bool(left))


@dataclass(eq=False)
class Job:
    """A command as the host knows it."""

    number: int
    output_bytes: int
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    end: End | None = None
    broken: str = ""
    """Why nobody will ever know its end."""
    killed: str = ""
    """Which limit the host killed it for."""
    asked: bool = False
    """Output was asked for and has not come."""
    inside: int = 0
    """Bytes of input that wait inside."""
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    helpers: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    """They end with it."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Nothing more will be heard of it."""
        return self.end is not None or bool(self.broken)

    def help_by(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside it for as long as it runs."""
        self.helpers.append(asyncio.create_task(work))

    def take(self, kind: int, payload: bytes) -> None:
        """What the supervisor says about it.

        Raises:
            BadFrame: it cannot have meant that.
        """
        if kind in (frames.OUT, frames.ERR):
            into = self.out if kind == frames.OUT else self.err
            into += payload
            self.asked = self.asked and kind != frames.OUT
            # What was asked for last, and what came between that and the end.
            if len(into) > 2 * (self.output_bytes + _MARK):
                raise BadFrame("more output than was to be kept")
        elif kind == frames.TAKEN and len(payload) == frames.COUNT.size:
            self.inside -= frames.COUNT.unpack(payload)[0]
            if self.inside < 0:
                raise BadFrame("more input taken than was given")
        elif kind == frames.EXIT:
            self._finish(End.unpack(payload))
        elif kind == frames.FAILED and 0 < len(payload) < _LARGEST_REASON:
            self.err += payload[1:]
            self._finish(End(payload[0]))
        else:
            raise BadFrame(f"a frame of kind {kind}")
        self._changed.set()

    def lose(self, reason: str) -> None:
        """The supervisor is gone."""
        self.broken = reason
        self._finish(None)
        self._changed.set()

    def _finish(self, end: End | None) -> None:
        self.end = end
        self.seconds = time.monotonic() - self.began
        for task in self.helpers:
            task.cancel()

    async def change(self) -> None:
        """Wait until something is heard of it."""
        self._changed.clear()
        await self._changed.wait()

    async def ended(self) -> End:
        """Wait for its end.

        Raises:
            SandboxBroken: nobody will ever know.
        """
        while not self.over:
            await self.change()
        if self.end is None:
            raise SandboxBroken(self.broken)
        return self.end
