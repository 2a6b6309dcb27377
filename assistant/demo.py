"""The loop in miniature, on a few small tasks and in a home of its own, with a table at the end."""

import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import TextIO

from agent.store import Store
from agent.task import Task
from assistant.config import Config
from assistant.driver import open_weights
from assistant.install import MEND
from assistant.progress import Line, Stages
from assistant.student import make
from distillation.collect import Collection
from distillation.collect import Progress as Collected
from distillation.reference import reference_teacher
from distillation.rollout import Rollout, rollout
from distillation.tasks import load_tasks
from training.parts import missing_parts
from training.recipe import Recipe
from training.registry import Registry
from training.retrain import Conduct, Outcome, retrain
from training.scorecard import Scorecard

RECIPE = Recipe(rank=8, alpha=16, batch=1, learning_rate=2e-3, epochs=10.0, evaluations=4)
"""Small enough for two cores: the point is that every part is the real one."""


@dataclass
class Demo:
    """What happened so far, as rows of stage, what came of it, and seconds."""

    config: Config
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    rows: list[tuple[str, str, float]] = field(default_factory=list[tuple[str, str, float]])

    @contextmanager
    def stage(self, name: str) -> Generator[list[str]]:
        """Time a stage; what is put in the list is what came of it."""
        said: list[str] = []
        began = time.monotonic()
        yield said
        self.rows.append((name, " ".join(said), time.monotonic() - began))

    async def play(self) -> bool:
        """Play the whole loop; whether every part of it worked.

        Raises:
            Refused: the sandbox or the local student cannot work here.
        """
        store, registry = Store(self.config.home / "episodes.db"), Registry(self.config.home)
        try:
            with self.stage("student") as said:
                version = make(registry)
                size = version.files["base"].bytes / 1e6
                said.append(f"a tiny untrained model, {size:.1f} MB")
            collected = await self._collect(store)
            if missing := missing_parts():
                skipped = f"skipped: no {', '.join(missing)}; get them with {MEND}"
                self.rows.append(("retrain", skipped, 0.0))
                return collected
            return collected and await self._retrain(store, registry)
        finally:
            store.close()

    @property
    def _rollout(self) -> Rollout:
        return partial(rollout, choice=self.config.sandbox.choice)

    async def _collect(self, store: Store) -> bool:
        tasks, line = demo_tasks(), Line(self.stream)

        def tell(progress: Collected) -> None:
            done = progress.done == progress.total
            line.show(f"collect   {progress.done} of {progress.total} tasks", last=done)

        with self.stage("collect") as said:
            last = await Collection(
                tasks, reference_teacher, store, tell=tell, play=self._rollout
            ).run()
            passed = last.outcomes.get("pass", 0)
            said.append(f"the reference teacher solved {passed} of {len(tasks)} tasks,")
            said.append("each verified in the sandbox on a fresh copy")
        return passed == len(tasks)

    async def _retrain(self, store: Store, registry: Registry) -> bool:
        stages = Stages(self.stream)
        models = replace(self.config.models, max_tokens=256)
        conduct = Conduct(lambda weights: open_weights(weights, models), play=self._rollout)
        with self.stage("retrain") as said:
            outcome = await retrain(store, registry, self.config.home, RECIPE, stages.tell, conduct)
            stages.end()
            figures = outcome.version.figures
            said.append(f"loss {figures['loss_first']:.2f} to {figures['loss_last']:.2f}")
            said.append(f"on {outcome.dataset.rows} episodes")
        self.rows += list(_judged(outcome))
        return figures["loss_last"] < figures["loss_first"]


def _judged(outcome: Outcome) -> Iterator[tuple[str, str, float]]:
    figures = outcome.version.figures
    kl = ", ".join(f"{n[3:]} {v:.1e}" for n, v in figures.items() if n.startswith("kl_"))
    yield "files", f"KL divergence from what was trained: {kl}", 0.0
    yield "before", f"{outcome.old} held-out tasks solved", _seconds(outcome.old)
    yield "after", f"{outcome.new} held-out tasks solved", _seconds(outcome.new)
    yield "gate", outcome.decision.sentence, 0.0


def _seconds(card: Scorecard) -> float:
    return sum(result.seconds for result in card.results)


def demo_tasks() -> list[Task]:
    """The tasks that come with the assistant."""
    with as_file(files("assistant").joinpath("demo_tasks.jsonl")) as path:
        return load_tasks(path)


def table(demo: Demo) -> str:
    """What happened, for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = Table(title="What happened", title_justify="left")
    rows.add_column("stage")
    rows.add_column("what came of it", overflow="fold")
    rows.add_column("seconds", justify="right")
    for name, said, seconds in demo.rows:
        # As text: brackets in a sentence are no markup.
        rows.add_row(name, Text(said), f"{seconds:.1f}" if seconds else "")
    console = Console(file=demo.stream)
    with console.capture() as captured:
        console.print(rows)
    return captured.get()


@contextmanager
def own_home(config: Config) -> Generator[Config]:
    """The settings with a home that is gone afterwards; what was downloaded or built is shared."""
    with tempfile.TemporaryDirectory(prefix="assistant-demo-") as folder:
        home = Path(folder)
        cache = config.home / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        (home / "cache").symlink_to(cache)
        yield replace(config, home=home)
