"""One tiny student, trained and exported once for all tests of this folder. Everything is real."""

import asyncio
from pathlib import Path

import pytest

from distillation.example import Example
from tests.training.material import RECIPE, Exported, Trained, lora_job, make_example
from training import student
from training.converter import Converter
from training.encode import Rows
from training.export import Export
from training.fidelity import Fidelity
from training.stage import News, run_stage
from training.tokens import ChatTokenizer


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student as `assistant student init` makes it."""
    folder = tmp_path_factory.mktemp("base") / "student"
    student.init(folder)
    return folder


@pytest.fixture(scope="session")
def chat(base: Path) -> ChatTokenizer:
    return ChatTokenizer.open(base)


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    return [make_example(seed) for seed in range(30)]


@pytest.fixture(scope="session")
def converter_cache(pytestconfig: pytest.Config) -> Path:
    """Kept between runs: the converter is a download of 76 MB."""
    assert pytestconfig.cache is not None
    return Path(pytestconfig.cache.mkdir("converter"))


@pytest.fixture(scope="session")
def rows(
    tmp_path_factory: pytest.TempPathFactory, examples: list[Example], chat: ChatTokenizer
) -> Rows:
    return Rows.make(examples, chat, RECIPE, tmp_path_factory.mktemp("rows") / "rows")


@pytest.fixture(scope="session")
def trained(base: Path, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A QLoRA run from start to end."""
    folder = tmp_path_factory.mktemp("trained")
    news: list[News] = []
    job = lora_job(base, rows, folder / "adapter")
    asyncio.run(run_stage("training.lora", job, folder / "lora.job", news.append))
    return Trained(folder / "adapter", news)


@pytest.fixture(scope="session")
def exported(
    base: Path,
    rows: Rows,
    trained: Trained,
    converter_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Exported:
    """All GGUF files of the trained adapter, measured."""
    folder = tmp_path_factory.mktemp("exported")
    export = Export(folder, base, trained.adapter, Converter(converter_cache))

    async def make() -> dict[str, Fidelity]:
        await export.make(lambda progress: None)
        return await export.measure(rows.folder / "eval.npz", lambda progress: None)

    return Exported(export, asyncio.run(make()))
