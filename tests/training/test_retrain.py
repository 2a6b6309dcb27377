import fcntl
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.episode import Episode, Step
from agent.limits import EpisodeLimits
from agent.model import Model
from agent.models.llama import LlamaModel
from agent.models.open import OpenModel
from agent.models.settings import ModelSettings
from agent.store import Store
from agent.task import Task, split_of
from sandbox.check import Check, Verdict
from sandbox.refused import Refused
from tests.training.material import RECIPE, make_example
from training.parts import missing_parts
from training.progress import Progress
from training.registry import Registry, Weights
from training.retrain import Conduct, retrain

TRUE = Check((("true",),))
FALSE = Check((("false",),))


def tasks(split: str, count: int, check: Check) -> list[Task]:
    """Tasks that fall on one side."""
    found = (Task(f"task/{n}", f"Do task {n}.", check) for n in range(1000))
    return [task for task in found if split_of(task.id, 0.2) == split][:count]


def record(store: Store, task: Task, seed: int) -> None:
    """A verified episode of a teacher."""
    example = make_example(seed)
    id = f"{task.id}-{seed}"
    store.remember(task)
    store.begin(Episode(id, task.id, task.digest, "teacher", tuple(example.tools), 0.0))
    for n, message in enumerate(example.messages):
        store.append(id, n, Step(message))
    store.finish(id, "end", "", 1.0, Verdict("pass"))


def open_student(weights: Weights) -> OpenModel:
    settings = ModelSettings(max_tokens=16, context=2048)
    return LlamaModel(weights.gguf, weights.adapter, settings=settings, name=weights.version)


async def solved_by_v1(task: Task, model: Model, store: Store, limits: EpisodeLimits) -> Episode:
    """A rollout that the new student wins and the old one loses."""
    verdict = Verdict("pass" if model.name == "local:v1" else "fail")
    return Episode("e", task.id, task.digest, model.name, (), 0.0, stop="end", verdict=verdict)


@dataclass
class Home:
    """A home with a student, episodes and held-out tasks."""

    path: Path
    store: Store
    registry: Registry


@pytest.fixture
def home(tmp_path: Path, base: Path, converter_cache: Path) -> Home:
    path = tmp_path / "home"
    registry, store = Registry(path), Store(path / "episodes.db")
    shutil.copytree(base, path / "new")
    registry.add_base(path / "new")
    (path / "cache").symlink_to(converter_cache)
    for seed, task in enumerate(tasks("train", 24, TRUE)):
        record(store, task, seed)
    for task in tasks("heldout", 6, FALSE):
        store.remember(task)
    return Home(path, store, registry)


class Stopped(Exception):
    """The run ends here, as if somebody had killed it."""


async def test_the_whole_way(home: Home) -> None:
    """Interrupted, taken up again, kept at first, promoted on other tasks, rolled back."""
    told: list[Progress] = []

    def stop_at_export(progress: Progress) -> None:
        told.append(progress)
        if progress.stage == "export":
            raise Stopped

    world = (home.store, home.registry, home.path, RECIPE)
    with pytest.raises(Stopped):
        await retrain(*world, stop_at_export, Conduct(open_student, tasks=2))
    steps = [p.values["step"] for p in told if "step" in p.values]
    assert steps[0] == 0
    assert steps[-1] == 20
    assert home.registry.active_id() == "student"

    told.clear()
    outcome = await retrain(*world, told.append, Conduct(open_student, tasks=2))
    assert not any("step" in progress.values for progress in told), "it trained again"
    assert outcome.decision.sentence == (
        "Kept student: of 2 held-out tasks the new student solved 0, the old one 0; "
        "it is no better."
    )
    assert home.registry.active_id() == "student"
    check_version(home, outcome.version.figures)
    models = {episode.model for episode in home.store.episodes()}
    assert models == {"teacher", "local:student", "local:v1"}

    told.clear()
    conduct = Conduct(open_student, tasks=6, play=solved_by_v1)
    outcome = await retrain(*world, told.append, conduct)
    assert outcome.decision.promote, outcome.decision.sentence
    assert not [progress for progress in told if progress.stage in ("train", "export")]
    assert home.registry.active_id() == "v1"
    with pytest.raises(Refused, match="v1 was trained on these very episodes"):
        await retrain(*world, told.append, conduct)
    assert home.registry.rollback().id == "student"


def check_version(home: Home, figures: dict[str, float]) -> None:
    """Whether a version is whole, and its figures good."""
    version = home.registry.version("v1")
    assert (version.base, version.parent, version.figures) == ("student", "student", figures)
    assert figures["loss_last"] < figures["loss_first"]
    assert figures["eval_loss"] < figures["eval_loss_before"]
    assert figures["token_parity"] == figures["rows"] == 24
    assert figures["kl_adapter"] <= 1e-5
    assert {"adapter", "f16", "q8_0", "q4_k_m"} < set(version.files)
    version.check(home.registry.path("v1"), thorough=True)
    assert version.dataset is not None
    assert (home.path / "datasets" / version.dataset[:16] / "manifest.json").is_file()
    assert list((home.path / "runs").iterdir()) == []


async def refused(home: Home, words: str, conduct: Conduct | None = None) -> None:
    with pytest.raises(Refused, match=words):
        await retrain(
            *(home.store, home.registry, home.path, RECIPE),
            lambda progress: None,
            conduct or Conduct(open_student),
        )


async def test_without_a_student_or_tasks_or_episodes(home: Home, tmp_path: Path) -> None:
    nowhere = replace(home, registry=Registry(tmp_path / "empty"))
    await refused(nowhere, "assistant student init")
    store = Store(tmp_path / "other.db")
    await refused(replace(home, store=store), "no held-out tasks")
    store.remember(tasks("heldout", 1, TRUE)[0])
    await refused(replace(home, store=store), "nothing to train on")
    assert home.registry.active_id() == "student"


async def test_two_at_a_time_are_refused(home: Home) -> None:
    with (home.path / "retrain.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        await refused(home, "running already")


async def test_a_damaged_student_is_named(home: Home) -> None:
    path = home.registry.path("student") / "base.gguf"
    path.write_bytes(path.read_bytes()[:1000])
    await refused(home, r"base\.gguf has 1000 bytes instead of")


WITHOUT_TORCH = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else real(name, *rest)
from training.parts import missing_parts
assert missing_parts() == ["torch"], missing_parts()
assert not {"torch", "transformers", "llama_cpp", "numpy"} & set(sys.modules)
"""


def test_missing_parts_are_found_without_importing_any() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True)
    assert missing_parts() == []
