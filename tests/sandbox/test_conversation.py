"""What comes from inside is untrusted: whatever it is, the host ends with a sentence."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.completed import Completed
from sandbox.launch import Channel
from sandbox.lent import frames
from sandbox.lent.frames import frame
from sandbox.limits import Limits
from sandbox.sandbox import SandboxBroken
from sandbox.supervised import Supervised


@dataclass
class Hostile:
    """A supervisor that is ready and then, told to do anything, says what the test wants."""

    words: bytes
    stays: bool = False
    """It does not leave when it has said that."""
    name: str = "hostile"
    workdir: str = "/"
    python: str = ""
    base: str = ""
    lent: str = ""
    grammars: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    started: int = 0
    ended: int = 0

    async def start(self) -> Channel:
        self.started += 1
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        speaking = asyncio.create_task(self._speak(theirs))

        async def end() -> None:
            self.ended += 1
            writer.close()
            speaking.cancel()
            await asyncio.wait([speaking])

        return Channel(reader, writer, end)

    async def _speak(self, end: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=end)
        try:
            writer.write(frame(frames.READY, 0))
            if await reader.read(100) and await reader.read(100):
                writer.write(self.words)
                while self.stays and await reader.read(100):
                    pass
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


async def _run(launch: Hostile, seconds: float = 5) -> Completed:
    sandbox = Supervised(Path("/"), launch, Limits(output_bytes=100))
    try:
        return await sandbox.run(["true"], seconds=seconds)
    finally:
        await sandbox.close()


_KIND = st.sampled_from(sorted(frames.KINDS))
_ANYTHING = st.one_of(
    st.binary(max_size=200),
    st.lists(st.builds(frame, _KIND, st.integers(0, 3), st.binary(max_size=150)), max_size=9).map(
        b"".join
    ),
)


@settings(deadline=None, max_examples=150)
@given(_ANYTHING)
def test_whatever_a_supervisor_says(words: bytes) -> None:
    launch = Hostile(words)
    try:
        ended = asyncio.run(_run(launch))
    except SandboxBroken:
        pass
    else:
        assert len(ended.stdout) + len(ended.stderr) <= 1000
        assert -64 <= ended.exit_code <= 255
    assert launch.started == launch.ended <= 2


def _exit(code: int) -> bytes:
    return frame(frames.EXIT, 1, frames.ENDED.pack(code, 2048, 0, 0, 0, 0))


async def test_a_word_in_time_counts() -> None:
    ended = await _run(Hostile(frame(frames.OUT, 1, b"hello") + _exit(3)))
    assert (ended.exit_code, ended.stdout, ended.peak_mb) == (3, "hello", 2.0)


@pytest.mark.parametrize(
    "words",
    [
        _exit(1000),
        frame(frames.EXIT, 1, b"short"),
        frame(frames.EXIT, 2, b""),
        frame(frames.OUT, 1, b"x" * 1000) + _exit(0),
        frame(frames.TAKEN, 1, frames.COUNT.pack(1)) + _exit(0),
        frame(frames.START, 1) + _exit(0),
        b"\xff" * 9,
    ],
)
async def test_what_it_cannot_have_meant(words: bytes) -> None:
    launch = Hostile(words, stays=True)
    with pytest.raises(SandboxBroken, match="makes no sense"):
        await _run(launch)
    assert launch.started == 2  # Once more, and no third time.


async def test_who_does_not_obey_is_ended() -> None:
    launch = Hostile(b"", stays=True)
    ended = await _run(launch, seconds=0.1)
    assert ended.timed_out
    assert ended.exit_code == -9
    assert launch.ended == 1
