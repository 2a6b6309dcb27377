"""The pretrained student on held-out tasks, through the agent, the sandbox and llama.cpp.

Run as `python -m benchmarks.student GGUF [FAMILY] [COUNT]`: COUNT (200) generated tasks of a family
(`functions`) whose programs and names pretraining never saw, or the tasks of a JSON lines file in
FAMILY's place; `--help` shows the rest. Prints how many are solved, how many of the tool calls were
valid without the grammar, seconds per solved task and tokens per second. Tasks that are
finished are kept in a folder beside the GGUF, so that a second run goes on; its calls and tokens
per second are then those of what was left.
"""

import argparse
import asyncio
import hashlib
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.message import Message
from agent.model import Event, Malformed, Usage
from agent.models.llama import LlamaModel
from agent.models.settings import ModelSettings
from agent.store import Store
from agent.task import Task
from distillation.failure import failures
from distillation.programs.program import FAMILIES, puzzle
from distillation.tasks import load_tasks
from tests.agent.schemas import unfit
from tools.call import ToolCall
from tools.schema import ToolSchema
from training.evaluate import LIMITS, Evaluation
from training.progress import Progress
from training.scorecard import Scorecard


class Free(LlamaModel):
    """A student that no grammar holds."""

    held = False


@dataclass
class Watched:
    """Counts what a student does."""

    model: LlamaModel
    counts: Counter[str] = field(default_factory=Counter[str])
    speeds: list[float] = field(default_factory=list[float])
    name: str = "student"

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        began = time.perf_counter()
        async for event in self.model.stream(messages, tools):
            if isinstance(event, ToolCall):
                self.counts["broken" if unfit(event, list(tools)) else "valid"] += 1
            if isinstance(event, Malformed):
                self.counts["broken"] += 1
            if isinstance(event, Usage):
                self.speeds.append(event.output / (time.perf_counter() - began))
            yield event


def tasks_of(family: str, first: int, count: int) -> list[Task]:
    """Held-out tasks; the same every time."""
    if family not in FAMILIES:
        return load_tasks(Path(family))[first:][:count]
    return [
        puzzle(family, "heldout", seed, None if seed % 10 == 0 else 1).task
        for seed in range(first, first + count)
    ]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("family", nargs="?", default="functions")
    parser.add_argument("count", nargs="?", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first task")
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--grammar", action="store_true")
    parser.add_argument("--steps", type=int, default=10, help="of an episode: two or three tries")
    parser.add_argument("--jobs", type=int, default=1, help="more than one spoils the timings")
    given = parser.parse_args()
    kind = LlamaModel if given.grammar else Free
    settings = ModelSettings(max_tokens=800)
    students = [
        Watched(kind(given.gguf, given.adapter, settings=settings)) for _ in range(given.jobs)
    ]
    folder = given.gguf.parent / "evaluated" / kept(given)
    store = Store(folder / "episodes.db")
    tasks = tasks_of(given.family, given.first, given.count)

    def tell(progress: Progress) -> None:
        if progress.values["done"] % 20 == 0:
            print(progress.text, flush=True)

    limits = replace(LIMITS, steps=given.steps)
    card = await Evaluation(tasks, store, limits).run(given.gguf.stem, students, folder, tell)
    show(card, {task.id: task.category for task in tasks}, store)
    print("calls:", dict(sum((student.counts for student in students), Counter[str]())))
    if speeds := [speed for student in students for speed in student.speeds]:
        print(f"tokens per second while answering: {statistics.median(speeds):.0f}")
    for student in students:
        await student.model.close()
    store.close()


def kept(given: argparse.Namespace) -> str:
    """The name of what is kept of these weights, on these tasks, played so."""
    weights: Path = given.adapter or given.gguf
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    tasks = f"{Path(given.family).stem}-{given.first}-{given.count}"
    return f"{weights.stem}-{digest}-{tasks}-{given.steps}" + "-grammar" * given.grammar


def show(card: Scorecard, kinds: Mapping[str, str], store: Store) -> None:
    """What was solved, of each kind of bug, how episodes ended, and why they failed."""
    print(f"solved: {card}")
    for kind in sorted(set(kinds.values())):
        mine = [r for r in card.results if kinds[r.task] == kind]
        print(f"  {kind:<22}{sum(r.outcome == 'pass' for r in mine):>4} of {len(mine)}")
    print("stops:", dict(Counter(r.stop for r in card.results)))
    solved = [result.seconds for result in card.results if result.outcome == "pass"]
    if solved:
        print(f"seconds per solved task: {statistics.median(solved):.2f}")
    failed = failures(store.episode(result.episode) for result in card.results)
    print("failures:", dict(Counter(failure.kind for failure in failed)))


if __name__ == "__main__":
    asyncio.run(main())
