"""Making a version: what a stage leaves is whole or not there."""

import resource
from pathlib import Path

import pytest

from distillation.dataset import Dataset, Rules
from training.make import Making
from training.progress import Progress
from training.recipe import Recipe
from training.tokens import ChatTokenizer


async def test_a_full_disk_leaves_no_half_of_the_parity(
    tmp_path: Path, base: Path, chat: ChatTokenizer
) -> None:
    told: list[Progress] = []
    dataset = Dataset("d", tmp_path, 0, (), Rules(), {})
    making = Making(tmp_path, tmp_path, base, dataset, Recipe(), told.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A full disk, as near as a process can come to one: no file may grow.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            await making._parity([], chat)  # pyright: ignore[reportPrivateUsage]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await making._parity([], chat) == 0  # pyright: ignore[reportPrivateUsage]
    assert len(told) == 1
