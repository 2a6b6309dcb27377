import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.episode import Episode
from agent.limits import EpisodeLimits
from agent.model import Model
from agent.models.scripted import ScriptedModel
from agent.store import Store
from agent.task import Task
from distillation.reference import reference_teacher
from sandbox.check import Check, Outcome, Verdict
from sandbox.refused import Refused
from training.evaluate import Evaluation
from training.progress import Progress
from training.scorecard import Scorecard

TEST = "from a import one\n\n\ndef test_one():\n    assert one() == 1\n"
CHECK = Check(
    (("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_a.py"),),
    protected={"test_a.py": TEST},
)
FIX = Task(
    "fix",
    "Make the tests pass.",
    CHECK,
    files={"a.py": "def one():\n    return 2\n"},
    solution={"a.py": "def one():\n    return 1\n"},
)
TASKS = [Task(f"t{n}", "p", Check((("true",),))) for n in range(4)]


@dataclass
class Play:
    """Rollouts whose outcomes are known beforehand."""

    outcomes: dict[str, Outcome | None]
    played: list[str] = field(default_factory=list[str])

    async def __call__(
        self, task: Task, model: Model, store: Store, limits: EpisodeLimits
    ) -> Episode:
        self.played.append(task.id)
        outcome = self.outcomes[task.id]
        verdict = Verdict(outcome) if outcome else None
        stop = "end" if outcome else "error: no answer"
        return Episode("e", task.id, task.digest, model.name, (), 0.0, stop=stop, verdict=verdict)


def nobody() -> Model:
    return ScriptedModel(lambda messages, tools: [], name="nobody")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "episodes.db")


async def test_the_same_agent_and_checks_as_in_collecting(store: Store, tmp_path: Path) -> None:
    evaluation = Evaluation([FIX], store)
    card = await evaluation.run("v1", [reference_teacher(FIX)], tmp_path / "s", lambda _: None)
    assert (card.solved, card.judged) == (1, 1)
    (episode,) = store.episodes()
    assert card.results[0].episode == episode.id
    assert card.results[0].steps > 3
    assert Scorecard.read(next((tmp_path / "s").glob("*.json"))) == card


async def test_a_finished_task_is_not_run_again(store: Store, tmp_path: Path) -> None:
    first = Play({"t0": "pass", "t1": "fail", "t2": None})
    evaluation = Evaluation(TASKS, store, play=first)
    with pytest.raises(Refused, match=r"nobody could not be evaluated on t2: error: no answer"):
        await evaluation.run("v1", [nobody()], tmp_path / "s", lambda _: None)
    # As if the kill had come while a line was written.
    (lines,) = (tmp_path / "s").glob("*.jsonl")
    with lines.open("a") as file:
        file.write('{"task": "t2", "dig')
    second = Play({"t2": "unknown", "t3": "pass"})
    told: list[Progress] = []
    evaluation = Evaluation(TASKS, store, play=second)
    card = await evaluation.run("v1", [nobody()], tmp_path / "s", told.append)
    assert second.played == ["t2", "t3"]
    assert [result.outcome for result in card.results] == ["pass", "fail", "unknown", "pass"]
    assert told[-1].text == "v1: 2 solved of 4; 0 tasks to go"
    # What could not be judged is tried again.
    third = Play({"t2": "pass"})
    evaluation = Evaluation(TASKS, store, play=third)
    card = await evaluation.run("v1", [nobody()], tmp_path / "s", told.append)
    assert (third.played, card.solved) == (["t2"], 3)


async def test_other_tasks_are_another_evaluation(store: Store, tmp_path: Path) -> None:
    play = Play(dict.fromkeys(("t0", "t1", "t2", "t3"), "pass"))
    for tasks in (TASKS[:2], TASKS):
        await Evaluation(tasks, store, play=play).run("v", [nobody()], tmp_path, lambda _: None)
    assert play.played == ["t0", "t1", "t0", "t1", "t2", "t3"]
    with pytest.raises(Refused, match="no held-out tasks"):
        await Evaluation([], store).run("v", [nobody()], tmp_path, lambda _: None)


async def test_cancelling_keeps_what_is_finished(store: Store, tmp_path: Path) -> None:
    async def play(task: Task, model: Model, store: Store, limits: EpisodeLimits) -> Episode:
        if task.id == "t1":
            await asyncio.sleep(60)
        return await Play({"t0": "pass"})(task, model, store, limits)

    evaluation = Evaluation(TASKS[:2], store, play=play)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(evaluation.run("v", [nobody()], tmp_path, lambda _: None), 0.5)
    assert sum(path.read_text().count("\n") for path in tmp_path.glob("*.jsonl")) == 1


async def test_as_many_tasks_are_played_at_a_time_as_there_are_models(tmp_path: Path) -> None:
    playing: list[str] = []
    most: list[int] = []

    async def play(task: Task, model: Model, store: Store, limits: EpisodeLimits) -> Episode:
        playing.append(model.name)
        most.append(len(playing))
        assert len(set(playing)) == len(playing)
        await asyncio.sleep(0.02)
        playing.remove(model.name)
        return Episode(
            *("e", task.id, task.digest, model.name, (), 0.0), stop="end", verdict=Verdict("pass")
        )

    tasks = [replace(FIX, id=f"t/{n}") for n in range(7)]
    models = [ScriptedModel([], name=name) for name in ("one", "other")]
    store = Store(tmp_path / "e.db")
    card = await Evaluation(tasks, store, play=play).run("v", models, tmp_path, lambda _: None)
    assert (card.solved, max(most)) == (7, 2)
    store.close()
