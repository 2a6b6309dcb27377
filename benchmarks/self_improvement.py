"""What a student learns without a teacher, and from its failures, on a family that it never saw,
or with `--family` on another one.

Run as `python -m benchmarks.self_improvement FOLDER`; `--help` shows the rest. One student, the
same tasks and held-out tasks, five ways:

- `own`: it tries each task up to four times at a temperature of 0.8, and is retrained on its own
  verified successes (rejection sampling; Zelikman et al., "STaR", 2022).
- `rescued`: where its repair fails a teacher takes over, and it is retrained on what the teacher
  did from there, its own mistakes not trained (as Ross et al., "DAgger", 2011): critique rows.
- `pairs`: its failures against the known solutions, by DPO.
- `taught`: the reference teacher plays all tasks, for comparison.
- `again`: the taught student does as in `own` on other tasks, and what it learns from is both.

What is finished is kept in FOLDER, so that a second run goes on; it is of one student, one family
and one size, and others are refused.
"""

import argparse
import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.episode import Episode
from agent.limits import EpisodeLimits
from agent.model import Model
from agent.models.llama import LlamaModel
from agent.models.settings import ModelSettings
from agent.store import Store
from agent.task import Task
from assistant.demo import KNOWN, NEW, PATIENCE, RECIPE, heldout, taught
from assistant.student import make
from distillation.collect import Collection
from distillation.collect import Progress as Collected
from distillation.example import Example
from distillation.pair import Pair, pairs
from distillation.programs.program import FAMILIES
from distillation.programs.tutor import known, rescuer, teacher
from distillation.rescued import Rescued
from distillation.rollout import rollout
from training import encode
from training.converter import Converter
from training.evaluate import Evaluation
from training.progress import Progress
from training.registry import Registry, Weights
from training.retrain import Conduct, Outcome, retrain
from training.scorecard import Scorecard
from training.stage import run_stage
from training.student import shipped
from training.tokens import ChatTokenizer
from training.version import ModelVersion

RESCUE = replace(PATIENCE, steps=PATIENCE.steps + 5)
"""The teacher looks, reads, writes, tests and tells, behind all that the student did."""
STORES = ("own", "rescued", "taught", "again")
HOT = ModelSettings(max_tokens=600, temperature=0.8)
USUAL = ModelSettings(max_tokens=600)
PREFERENCE = replace(RECIPE, learning_rate=3e-4, epochs=2.0)


def opened(weights: Weights, settings: ModelSettings = USUAL) -> LlamaModel:
    return LlamaModel(weights.gguf, weights.adapter, settings=settings, name=weights.version)


def tell(progress: Progress) -> None:
    if progress.share == 1.0:
        print(f"{progress.stage:<9} {progress.text}", flush=True)


def told(name: str, last: Collected) -> None:
    print(f"{name}: {last.outcomes} of {last.total}", flush=True)


async def rescued(task: Task, model: Model, store: Store, limits: EpisodeLimits) -> Episode:
    """A rollout in which a teacher takes over after the first repair that failed."""
    return await rollout(task, Rescued(model, rescuer(known(task))), store, limits)


@dataclass
class Bench:
    """One student, its tasks, and what each way made of it."""

    folder: Path
    lessons: Sequence[Task]
    others: Sequence[Task]
    judged: Sequence[Task]

    def __post_init__(self) -> None:
        self.registry = Registry(self.folder)
        # A run that was killed may have left a version that it promoted active.
        active = self.registry.active() or make(self.registry)
        self.base = self.registry.version(active.base)
        self.registry.promote(self.base.id)
        self.stores = {name: Store(self.folder / f"{name}.db") for name in STORES}

    async def way(self, name: str) -> dict[str, Scorecard]:
        """What came of one of the ways."""
        if name == "pairs":
            return {name: await self.preferred()}
        outcome = await (self.again() if name == "again" else self.retrained(name))
        return {"taught" if name == "again" else "before": outcome.old, name: outcome.new}

    async def collected(self, name: str) -> Store:
        store = self.stores[name]
        if name in ("taught", "again"):
            told(name, await Collection(self.lessons, teacher, store).run())
        else:
            await self._tried(name, store, self.lessons, self.base)
        return store

    async def _tried(
        self, name: str, store: Store, tasks: Sequence[Task], version: ModelVersion
    ) -> None:
        """A student plays, `rescued` or on its `own`."""
        student = opened(self.registry.weights(version), USUAL if name == "rescued" else HOT)
        tries, limits, play = (1, RESCUE, rescued) if name == "rescued" else (4, PATIENCE, rollout)

        def driven(task: Task) -> Model:
            return student

        # It remembers one conversation: two at a time would have to be read anew at each step.
        collection = Collection(tasks, driven, store, 1, tries, limits=limits, play=play)
        told(name, await collection.run())
        await student.close()

    async def retrained(self, name: str) -> Outcome:
        outcome = await self._learnt(name, await self.collected(name))
        self.registry.promote(self.base.id)
        return outcome

    async def again(self) -> Outcome:
        first = await self.retrained("taught")
        store = await self.collected("again")
        await self._tried("own", store, self.others, first.version)
        self.registry.promote(first.version.id)
        outcome = await self._learnt("again", store)
        self.registry.promote(self.base.id)
        return outcome

    async def _learnt(self, name: str, store: Store) -> Outcome:
        conduct = Conduct(opened, heldout=self.judged, limits=PATIENCE, jobs=2)
        outcome = await retrain(store, self.registry, self.folder, RECIPE, tell, conduct)
        print(f"{name}: {outcome.decision.sentence}", flush=True)
        return outcome

    async def preferred(self) -> Scorecard:
        store, folder = await self.collected("own"), self.folder / "pairs"
        found = pairs(store.episodes(), {task.id: task for task in self.lessons})
        print(f"pairs: {len(found)}", flush=True)
        gguf = folder / "adapter.gguf"
        base = self.registry.path(self.base.id)
        if not gguf.exists():
            files = _encoded(found, ChatTokenizer.open(base), folder)
            job = {
                **{name: str(path) for name, path in files.items()},
                "base": str(base),
                "rows": str(folder),
                "out": str(folder / "adapter"),
                "recipe": asdict(PREFERENCE),
            }
            curve: list[float] = []
            await run_stage(
                *("training.preference", job, folder / "preference.job"),
                lambda news: curve.append(news["loss"]),
            )
            tenth = max(1, len(curve) // 10)
            first, last = (sum(part) / tenth for part in (curve[:tenth], curve[-tenth:]))
            print(f"pairs: loss {first:.3f} to {last:.3f} in {len(curve)} steps", flush=True)
            await Converter(self.folder / "cache").adapter(folder / "adapter", base, gguf)
        weights = Weights("pairs", base / "base.gguf", gguf, "")
        students = [opened(weights), opened(weights)]
        evaluation = Evaluation(self.judged, self.stores["own"], PATIENCE)
        card = await evaluation.run("pairs", students, folder / "scores", tell)
        for student in students:
            await student.close()
        return card


def _encoded(found: Sequence[Pair], chat: ChatTokenizer, folder: Path) -> dict[str, Path]:
    """Both answers of each pair as rows in which only the answer is trained."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"chosen": folder / "chosen.npz", "rejected": folder / "rejected.npz"}
    for name, path in files.items():
        rows: list[encode.Encoded] = []
        for pair in found:
            messages = [*pair.context, pair.chosen if name == "chosen" else pair.rejected]
            flags = [False] * len(pair.context) + [True]
            rows.append(
                encode.encode(Example("", pair.task, messages, list(pair.tools), flags), chat)
            )
        encode.save(path, rows)
    return files


def keep_apart(given: argparse.Namespace) -> None:
    """Refuse a folder of other tasks or of another student: what is kept in it would be mixed."""
    folder = shipped()
    assert folder is not None
    base = hashlib.sha256((folder / "base.gguf").read_bytes()).hexdigest()
    of = {name: value for name, value in vars(given).items() if name not in ("folder", "ways")}
    record, path = json.dumps(of | {"base": base}), given.folder / "of.json"
    if path.exists() and path.read_text(encoding="utf-8") != record:
        raise SystemExit(f"{given.folder} is of another run: name another folder.")
    given.folder.mkdir(parents=True, exist_ok=True)
    path.write_text(record, encoding="utf-8")


def parts(card: Scorecard) -> str:
    ids = [result.task for result in card.results]
    of = {
        family: {id for id in ids if id.startswith(family)}
        for family in sorted({id.partition("/")[0] for id in ids}, reverse=True)
    }
    return ", ".join(f"{family} {card.of(known)}" for family, known in of.items())


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", type=int, default=120)
    parser.add_argument("--family", choices=FAMILIES, default=NEW, help="of what it tries")
    parser.add_argument("--judged", type=int, default=100, help="held-out tasks of that family")
    parser.add_argument("--known", type=int, default=50, help="and of the one that it knows")
    parser.add_argument("--ways", default="taught,own,rescued,pairs")
    given = parser.parse_args()
    judged = heldout(given.family, given.seed, given.judged)
    if given.family != KNOWN:
        judged += heldout(KNOWN, given.seed, given.known)
    lessons, others = (
        taught(given.family, seed, given.tasks) for seed in (given.seed, given.seed + 1)
    )
    keep_apart(given)
    bench = Bench(given.folder.absolute(), lessons, others, judged)
    found: dict[str, Scorecard] = {}
    for name in given.ways.split(","):
        began = time.monotonic()
        found |= await bench.way(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    for name, card in found.items():
        print(f"{name:<10}{parts(card)}")
    record = {name: [card.solved, card.judged] for name, card in found.items()}
    (given.folder / "figures.json").write_text(json.dumps(record), encoding="utf-8")
    for store in bench.stores.values():
        store.close()


if __name__ == "__main__":
    asyncio.run(main())
