"""Retraining: from recorded episodes to a student that is swapped in only if it is better.

Every stage leaves its product under `home`, complete or not at all. Started again after whatever
end, the same data, recipe and base go on from the last finished stage.
"""

import hashlib
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.limits import EpisodeLimits
from agent.models.open import OpenModel
from agent.store import Store
from agent.task import Task, split_of
from distillation.dataset import Dataset, Rules
from distillation.lock import alone
from distillation.rollout import Rollout, rollout
from sandbox.refused import Refused
from training.evaluate import LIMITS, Evaluation
from training.gate import Decision, decide
from training.make import Making
from training.parts import missing_parts
from training.progress import Progress, Tell
from training.recipe import Recipe
from training.registry import Registry, Weights
from training.scorecard import Scorecard
from training.version import ModelVersion

BUSY = "A retraining is running already: wait for it or stop it."


@dataclass(frozen=True)
class Conduct:
    """How a retraining is run, apart from the numbers of its recipe."""

    open_student: Callable[[Weights], OpenModel]
    """Loads a version, to be evaluated and closed."""
    rules: Rules = field(default_factory=Rules)
    tasks: int = 40
    """Held-out tasks to evaluate on, at most."""
    heldout: Sequence[Task] = ()
    """Evaluate on these instead of the store's held-out tasks; no dataset has them."""
    jobs: int = 1
    """Tasks that are evaluated at a time; the student is loaded as often."""
    limits: EpisodeLimits = LIMITS
    play: Rollout = rollout


@dataclass(frozen=True)
class Outcome:
    """What a retraining came to."""

    decision: Decision
    version: ModelVersion
    old: Scorecard
    new: Scorecard
    dataset: Dataset


async def retrain(
    store: Store, registry: Registry, home: Path, recipe: Recipe, tell: Tell, conduct: Conduct
) -> Outcome:
    """Train on the store's episodes, compare with the active student, promote the better one.

    Raises:
        Refused: parts, episodes, held-out tasks or a student are missing, a stage failed, or a
            file does not answer as the trained model does. The active student stays.
    """
    if missing := missing_parts():
        raise Refused(
            f"Training needs {', '.join(missing)}: run `pip install 'assistant[train]'` first."
        )
    with alone(home / "retrain.lock", BUSY):
        old = registry.active()
        if old is None:
            raise Refused("There is no student to train yet: run `assistant student init` first.")
        evaluation = Evaluation(
            conduct.heldout or _heldout(store, conduct),
            *(store, conduct.limits, conduct.play),
        )
        dataset = _freeze(store, home, conduct, tell)
        version = await _version(registry, home, recipe, tell, dataset)
        if version.id == old.id:
            raise Refused(
                f"The active student {old.id} was trained on these very episodes: collect more, "
                "or change the recipe."
            )
        cards: list[Scorecard] = []
        for each in (old, version):
            folder = registry.path(each.id) / "scores"
            async with _opened(conduct, registry.weights(each)) as students:
                cards.append(await evaluation.run(each.id, students, folder, tell))
        decision = decide(cards[0], cards[1])
        if decision.promote:
            registry.promote(version.id)
        tell(Progress("gate", decision.sentence, 1.0, {"p": decision.probability}))
        return Outcome(decision, version, cards[0], cards[1], dataset)


@asynccontextmanager
async def _opened(conduct: Conduct, weights: Weights) -> AsyncGenerator[list[OpenModel]]:
    """The student as often as tasks are played at a time."""
    async with AsyncExitStack() as stack:
        students: list[OpenModel] = []
        for _ in range(conduct.jobs):
            students.append(conduct.open_student(weights))
            stack.push_async_callback(students[-1].close)
        yield students


def _freeze(store: Store, home: Path, conduct: Conduct, tell: Tell) -> Dataset:
    # What a version is judged on is played into the same store.
    judged = {task.id for task in conduct.heldout}
    episodes = (episode for episode in store.episodes() if episode.task not in judged)
    dataset = Dataset.freeze(episodes, home / "datasets", conduct.rules)
    left_out = sum(dataset.dropped.values())
    text = f"{dataset.rows} episodes to learn from, {left_out} left out"
    tell(Progress("dataset", text, 1.0, {"rows": dataset.rows, "dropped": left_out}))
    return dataset


async def _version(
    registry: Registry, home: Path, recipe: Recipe, tell: Tell, dataset: Dataset
) -> ModelVersion:
    """The version that this data and recipe make of the active base; made if it is not there."""
    active = registry.active()
    assert active is not None  # noqa: S101 - checked by the caller
    base = registry.version(active.base)
    name = f"{dataset.hash} {recipe.hash} {base.files['base'].sha256}"
    run = hashlib.sha256(name.encode()).hexdigest()
    if found := next((version for version in registry.list() if version.run == run), None):
        return found
    folder = home / "runs" / run[:16]
    making = Making(
        home=home,
        folder=folder,
        base=registry.path(base.id),
        dataset=dataset,
        recipe=recipe,
        tell=tell,
    )
    figures = await making.run()
    version = ModelVersion(
        id=registry.free_id(),
        base=base.id,
        parent=active.id,
        files={},
        dataset=dataset.hash,
        recipe=recipe.hash,
        run=run,
        figures=figures,
    )
    version = registry.add(making.export.folder, version, making.export.finish())
    shutil.rmtree(folder)
    return version


def _heldout(store: Store, conduct: Conduct) -> list[Task]:
    """Held-out tasks, by a hash of their ids so that a cut takes from all sources.

    Raises:
        Refused: there are none.
    """
    share = conduct.rules.heldout
    tasks = [task for task in store.tasks() if split_of(task.id, share) == "heldout"]
    if not tasks:
        raise Refused("There are no held-out tasks to compare on: collect on more tasks first.")
    tasks.sort(key=lambda task: hashlib.sha256(f"evaluate {task.id}".encode()).digest())
    return tasks[: conduct.tasks]
