"""The product's promise with honest figures: the student before and after one retraining.

The student that comes with the assistant is judged on a family of tasks that its pretraining left
out, and on the family that it knows. A teacher works on other tasks of the new family, and on some
of the known one as a rehearsal; the student is retrained on what was verified, and both are judged
on the same tasks. It plays in a home of its own; killed at any moment it goes on from there.
Nothing is preset, and the same seed gives the same tasks.
"""

import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from hashlib import sha256
from itertools import count, islice
from typing import TextIO

from agent.store import Store
from agent.task import Task, split_of
from assistant.board import Board
from assistant.config import Config
from assistant.driver import open_weights
from assistant.student import make
from distillation.collect import Collection
from distillation.collect import Progress as Collected
from distillation.dataset import Rules
from distillation.lock import alone
from distillation.programs.program import puzzle
from distillation.programs.tutor import teacher
from distillation.rollout import Rollout, rollout
from training.evaluate import LIMITS
from training.progress import Progress
from training.recipe import Recipe
from training.registry import Registry
from training.retrain import Conduct, Outcome, retrain
from training.scorecard import hash_of
from training.student import shipped

NEW, KNOWN = "tallies", "functions"
"""The family that pretraining left out, and the one that it is made of."""
RECIPE = Recipe(
    # So small a base costs no memory, and rounding it to 4 bits costs a fifth of its loss.
    nf4=False, rank=32, alpha=64, batch=1, learning_rate=1.5e-3, epochs=2.5, evaluations=2,
)  # fmt: skip
PATIENCE = replace(LIMITS, steps=7)
"""What one try takes, from the first look to the answer; more tries would take more time."""
_APART = 10_000
"""Between the tasks of one seed and those of the next."""


@dataclass(frozen=True)
class Size:
    """How many tasks."""

    taught: int = 40
    """Of the new family, which the teacher plays."""
    rehearsed: int = 20
    """Of the known one, which it plays as well: without any the student forgets that."""
    judged: int = 24
    """Held-out tasks of the new family."""
    known: int = 10
    """Held-out tasks of the family that the student knows."""


@dataclass
class Demo:
    """One play of the loop."""

    config: Config
    seed: int = 0
    size: Size = field(default_factory=Size)
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        self.board = Board(self.stream)

    async def play(self, store: Store, registry: Registry) -> Outcome:
        """Play it; the store and the registry then hold all that came of it.

        Raises:
            Refused: the sandbox or the local student cannot work here, or parts are missing.
        """
        version = registry.active() or make(registry)
        if not version.is_base:
            # Of a play that was cut short behind its gate.
            version = registry.rollback()
        size = version.files["base"].bytes / 1e6
        kind = "untrained" if version.is_untrained else "pretrained"
        self._tell("student", f"{kind}, {size:.1f} MB", 1.0)
        await self._collect(store)
        conduct = Conduct(
            lambda weights: open_weights(weights, replace(self.config.models, max_tokens=600)),
            heldout=judged(self.seed, self.size),
            limits=PATIENCE,
            jobs=2,
            play=self._rollout,
        )
        recipe = replace(RECIPE, seed=self.seed)
        return await retrain(store, registry, self.config.home, recipe, self.board.tell, conduct)

    @property
    def _rollout(self) -> Rollout:
        # What the generated programs do does not depend on chance: one run of a check tells it.
        return partial(rollout, choice=self.config.sandbox.choice, runs=1)

    async def _collect(self, store: Store) -> None:
        tasks = lessons(self.seed, self.size)

        def tell(progress: Collected) -> None:
            passed = progress.outcomes.get("pass", 0)
            text = f"the teacher plays {len(tasks)} tasks: {passed} verified in the sandbox"
            self._tell("collect", text, progress.done / progress.total)

        await Collection(tasks, teacher, store, tell=tell, play=self._rollout).run()

    def _tell(self, stage: str, text: str, share: float) -> None:
        self.board.tell(Progress(stage, text, share))


@lru_cache
def lessons(seed: int, size: Size) -> Sequence[Task]:
    """What the teacher plays."""
    return (*taught(NEW, seed, size.taught), *taught(KNOWN, seed, size.rehearsed))


@lru_cache
def judged(seed: int, size: Size) -> Sequence[Task]:
    """What both students are judged on."""
    return (*heldout(NEW, seed, size.judged), *heldout(KNOWN, seed, size.known))


def taught(family: str, seed: int, size: int) -> list[Task]:
    """Tasks to learn from: those that a dataset would not hold back."""
    made = (puzzle(family, "train", number).task for number in count(seed * _APART))
    share = Rules().heldout
    return list(islice((task for task in made if split_of(task.id, share) == "train"), size))


def heldout(family: str, seed: int, size: int) -> list[Task]:
    """Tasks to judge by, whose names no tasks to learn from have."""
    return [puzzle(family, "heldout", seed * _APART + number).task for number in range(size)]


@contextmanager
def own_home(config: Config, seed: int = 0) -> Generator[Config]:
    """The settings with a home that is gone after a whole play; what was downloaded is shared.

    That of a play that was cut short stays, and the next one goes on with it, unless it is of
    another student or of other tasks than this version's.

    Raises:
        Refused: somebody else plays in it.
    """
    home, cache = config.home / "demo" / f"seed-{seed}", config.home / "cache"
    busy = f"The demo with seed {seed} is running already: wait for it, or give another --seed."
    with alone(home.with_suffix(".lock"), busy):
        of, path = _identity(seed, Size()), home / "of"
        if home.exists() and not (path.exists() and path.read_text(encoding="utf-8") == of):
            shutil.rmtree(home)
        for folder in (home, cache):
            folder.mkdir(parents=True, exist_ok=True)
        path.write_text(of, encoding="utf-8")
        if not (home / "cache").is_symlink():
            (home / "cache").symlink_to(cache)
        yield replace(config, home=home)
        shutil.rmtree(home)


def _identity(seed: int, size: Size) -> str:
    """Of the student that plays, what it is taught and judged on, and how."""
    folder = shipped()
    student = sha256((folder / "base.gguf").read_bytes()).hexdigest() if folder else ""
    tasks = f"{hash_of(lessons(seed, size))} {hash_of(judged(seed, size))}"
    return f"{student} {tasks} {RECIPE.hash} {PATIENCE}"
