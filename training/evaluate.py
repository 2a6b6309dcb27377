"""Evaluating a student: the same agent, sandbox and checks as in collecting."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from agent.episode import Episode
from agent.limits import EpisodeLimits
from agent.model import Model
from agent.store import Store
from agent.task import Task
from distillation.rollout import Rollout, rollout
from sandbox.refused import Refused
from training.progress import Progress, Tell
from training.scorecard import Result, Scorecard, hash_of

LIMITS = EpisodeLimits(steps=20, tokens=400_000, seconds=300.0)
"""A student that is still at it after that has lost its way."""


@dataclass(frozen=True)
class Evaluation:
    """A set of held-out tasks and how they are played."""

    tasks: Sequence[Task]
    store: Store
    limits: EpisodeLimits = field(default_factory=lambda: LIMITS)
    play: Rollout = rollout

    @property
    def hash(self) -> str:
        """Of the tasks: results of one hash can be compared."""
        return hash_of(self.tasks)

    async def run(self, id: str, models: Sequence[Model], folder: Path, tell: Tell) -> Scorecard:
        """Play every task that is not finished yet; results are kept in `folder`.

        Args:
            id: names the student in the scorecard and in what is told.
            models: the student, as often as tasks are to be played at a time: a local one
                remembers one conversation.
            folder: of this student; one file a task set is made there.
            tell: hears of each task.

        Raises:
            Refused: there is no task, no sandbox, or the model cannot answer.
        """
        if not self.tasks:
            raise Refused("There are no held-out tasks to evaluate on: collect on more tasks.")
        path = folder / f"{self.hash[:16]}.jsonl"
        done = _read(path)
        todo = iter([task for task in self.tasks if task.digest not in done])

        async def work(model: Model) -> None:
            for task in todo:
                result = _result(task, await self.play(task, model, self.store, self.limits))
                _append(path, result)
                done[task.digest] = result
                self._tell(id, done, tell)

        try:
            async with asyncio.TaskGroup() as group:
                for model in models:
                    group.create_task(work(model))
        except* (Refused, OSError) as failed:
            raise failed.exceptions[0] from None
        results = tuple(done[task.digest] for task in self.tasks)
        card = Scorecard(id, self.hash, results)
        card.write(path.with_suffix(".json"))
        return card

    def _tell(self, id: str, done: dict[str, Result], tell: Tell) -> None:
        solved = sum(result.outcome == "pass" for result in done.values())
        text = f"{id}: {solved} solved of {len(done)}; {len(self.tasks) - len(done)} tasks to go"
        tell(
            Progress(
                "evaluate", text, len(done) / len(self.tasks), {"done": len(done), "solved": solved}
            )
        )


def _result(task: Task, episode: Episode) -> Result:
    """What counts of an episode.

    Raises:
        Refused: there is no verdict, because the model could not answer.
    """
    if episode.verdict is None:
        raise Refused(
            f"{episode.model} could not be evaluated on {task.id}: {episode.stop}. "
            "Mend that and retrain again; what is finished is kept."
        )
    return Result(
        task.id,
        task.digest,
        episode.verdict.outcome,
        episode.stop or "",
        sum(step.message["role"] == "assistant" for step in episode.steps),
        episode.seconds,
        episode.id,
    )


def _append(path: Path, result: Result) -> None:
    """One line a task, on disk before the next begins; `unknown` is tried again next time."""
    if result.outcome == "unknown":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def _read(path: Path) -> dict[str, Result]:
    """Finished tasks by digest; a last line that was cut off by a kill is left out and removed."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    results = (Result(**json.loads(line)) for line in whole.splitlines())
    return {result.digest: result for result in results}
