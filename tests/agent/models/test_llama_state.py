"""What was computed outlives the process: found again, bounded, and never taken from elsewhere."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.message import Message, user
from agent.model import Usage, answer
from agent.models.llama import LlamaModel
from agent.models.llama_state import States, identity
from agent.models.settings import ModelSettings
from tests.agent.models.conftest import BASE, TEMPLATE, weights, write

LONG = [user("Look at all of this: " + "abc " * 40)]
SETTINGS = ModelSettings(max_tokens=4, context=512)


async def asked(
    gguf: Path, states: Path | States, messages: list[Message], adapter: Path | None = None
) -> tuple[str, Usage]:
    """What a fresh model answers that knows the folder, and what it evaluated for that."""
    model = LlamaModel(gguf, adapter, settings=SETTINGS)
    model.states = states if isinstance(states, States) else States(states)
    reply = await answer(model, messages, [])
    await model.close()
    return reply.message["content"], reply.usage


def only(folder: Path) -> Path:
    (path,) = folder.glob("*.state")
    return path


async def test_the_next_process_goes_on_where_the_last_one_was(
    random_gguf: Path, tmp_path: Path
) -> None:
    first, usage = await asked(random_gguf, tmp_path, LONG)
    assert usage.cached == 0
    again, usage = await asked(random_gguf, tmp_path, LONG)
    assert again == first
    assert usage.evaluated == 1
    # A longer conversation replaces what it goes on from.
    await asked(random_gguf, tmp_path, [*LONG, user("And now?")])
    assert only(tmp_path).stat().st_mode & 0o777 == 0o600


async def test_other_weights_and_other_adapters_never_take_a_state(
    random_gguf: Path, adapters: list[Path], tmp_path: Path
) -> None:
    gguf = tmp_path / "model.gguf"
    shutil.copy(random_gguf, gguf)
    states = tmp_path / "states"
    await asked(gguf, states, LONG, adapters[0])
    assert (await asked(gguf, states, LONG, adapters[0]))[1].evaluated == 1
    assert (await asked(gguf, states, LONG, adapters[1]))[1].cached == 0
    assert (await asked(gguf, states, LONG))[1].cached == 0
    # Other weights of the same size under the same name, and with its time.
    status = gguf.stat()
    write(gguf, [], weights(len(BASE), 64, 0.25, seed=5), TEMPLATE)
    os.utime(gguf, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert gguf.stat().st_size == status.st_size
    assert (await asked(gguf, states, LONG))[1].cached == 0


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5000] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def huge(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:56] + b"\xff\xff\xff\xff" + content[60:])


def foreign(path: Path) -> None:
    path.write_bytes(b"ggsq" + os.urandom(10_000))


@pytest.mark.parametrize("spoil", [truncate, flip, empty, huge, foreign])
async def test_a_spoilt_file_is_as_good_as_none(
    random_gguf: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    first, _ = await asked(random_gguf, tmp_path, LONG)
    spoil(only(tmp_path))
    again, usage = await asked(random_gguf, tmp_path, LONG)
    assert (again, usage.cached) == (first, 0)


async def test_number_and_size_are_bounded(random_gguf: Path, tmp_path: Path) -> None:
    abandoned = tmp_path / "x.part"
    abandoned.write_bytes(b"x")
    os.utime(abandoned, (0, time.time() - 7200))
    for name in "abcd":
        await asked(random_gguf, States(tmp_path, most=2), [user(name + LONG[0]["content"])])
    sizes = [path.stat().st_size for path in tmp_path.glob("*")]
    assert len(sizes) == 2
    for most in (sizes[0] * 3 // 2, 1000):
        await asked(random_gguf, States(tmp_path, most_bytes=most), LONG)
        only(tmp_path)
    # Where nothing can be written, nothing is kept.
    await asked(random_gguf, States(tmp_path / ("z" * 300)), LONG)


def test_large_weights_are_told_apart_by_samples_and_by_when_they_changed(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    with weights.open("wb") as file:
        file.truncate(100 * 2**20)
    first = identity(weights)
    assert identity(weights) == first
    status = weights.stat()
    with weights.open("r+b") as file:
        file.seek(12_345_678)
        file.write(b"x")
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert identity(weights) != first
