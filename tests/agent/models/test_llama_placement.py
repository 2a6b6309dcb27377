"""Where a local model runs, by what the machine has and what the settings say."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.models.gguf import GgufHeader
from agent.models.llama import LlamaModel
from agent.models.llama_placement import ALL, MOST, Machine, tries
from agent.models.llama_runtime import LlamaRuntime
from agent.models.settings import ModelSettings
from tests.agent.models.conftest import CONTEXT, write_adapter

GIB = 2**30
MACHINE = Machine(16, 8, 8 * GIB)


@pytest.mark.parametrize(
    ("memory", "trained", "weights", "token", "context"),
    [
        (8 * GIB, 32_768, GIB, 12_288, MOST),  # 0.5B: 201 MB of keys and values
        (8 * GIB, 4096, GIB, 12_288, 4096),
        (8 * GIB, 131_072, 5 * GIB, 131_072, 12_288),  # 8B: 1.5 of 3 GiB
        (4 * GIB, 131_072, 5 * GIB, 131_072, 2048),
        (4 * GIB, 512, 5 * GIB, 131_072, 512),
        (None, 131_072, 5 * GIB, 131_072, MOST),
        (2 * GIB, 131_072, GIB, 0, MOST),
    ],
)
def test_the_context_is_what_the_memory_holds(
    memory: int | None, trained: int, weights: int, token: int, context: int
):
    assert replace(MACHINE, memory=memory).context(trained, weights, token) == context


@pytest.mark.parametrize(
    ("processors", "cores", "parameters", "threads"),
    [
        (16, 8, 7_000_000_000, 8),
        (4, 2, 7_000_000_000, 4),
        (2, 1, 500_000_000, 2),
        (64, 64, 500_000_000, 64),
        (64, 32, 2_000_000, 1),
    ],
)
def test_threads(processors: int, cores: int, parameters: int, threads: int):
    assert Machine(processors, cores, None).threads(parameters) == threads


def test_layers_on_a_gpu_are_tried_where_there_may_be_one():
    assert tries(ALL, supported=True) == (ALL, 0)
    assert tries(20, supported=True) == (20,)
    assert tries(0, supported=True) == (0,)
    assert tries(20, supported=False) == tries(ALL, supported=False) == (0,)


def test_this_machine():
    here = Machine.here()
    assert 1 <= here.cores <= here.processors
    assert here.memory is None or 2**20 < here.memory < 2**50


async def test_settings_are_taken_as_they_are(random_gguf: Path):
    model = LlamaModel(random_gguf, settings=ModelSettings(context=256, threads=2, gpu_layers=5))
    placed = model.placement
    assert (placed.threads, placed.context, placed.trained) == (2, 256, CONTEXT)
    assert not placed.flash
    assert placed.cache == GgufHeader.read(random_gguf).cache(256) == 256 * 2 * 2 * 64 * 2
    assert 0 < placed.weights < random_gguf.stat().st_size
    await model.close()
    with closing(LlamaRuntime(random_gguf)) as runtime:
        assert (runtime.placement.threads, runtime.placement.context) == (1, CONTEXT)


async def test_a_swap_goes_by_the_same_settings(random_gguf: Path, tmp_path: Path):
    other = tmp_path / "other.gguf"
    other.write_bytes(random_gguf.read_bytes())
    model = LlamaModel(random_gguf, settings=ModelSettings(context=256, threads=2))
    before = model.placement
    model.swap(other, write_adapter(tmp_path / "a.gguf", 3))
    assert model.placement == before
    await model.close()
