from collections.abc import Sequence
from pathlib import Path

from agent.corrections import imitable
from agent.limits import EpisodeLimits
from agent.message import calls
from agent.model import Event
from agent.models.scripted import ScriptedModel, reply
from agent.store import Store
from distillation.programs.program import puzzle
from distillation.programs.tutor import known, rescuer, tutor
from distillation.rescued import Rescued
from distillation.rollout import rollout
from tools.call import ToolCall

TEST = "python -m pytest -q"


async def test_what_the_teacher_does_is_trained_and_the_failed_repair_is_not(
    tmp_path: Path,
) -> None:
    store, made = Store(tmp_path / "episodes.db"), puzzle("classes", "train", 5)
    (path,) = made.task.solution or {}
    moves: list[Sequence[Event]] = [
        reply("I run the tests.", ToolCall("1", "shell", {"command": TEST})),
        reply("I read it.", ToolCall("2", "read_file", {"path": path})),
        reply("I repair it.", ToolCall("3", "write_file", {"path": path, "content": "x = 1\n"})),
        reply("I run the tests.", ToolCall("4", "shell", {"command": TEST})),
    ]
    model = Rescued(ScriptedModel(moves, name="student"), rescuer(known(made.task)))
    # As few as benchmarks.self_improvement gives them: what a limit ends is not trained.
    episode = await rollout(made.task, model, store, EpisodeLimits(steps=12))
    assert episode.stop == "end"
    assert episode.verdict is not None
    assert episode.verdict.passed
    assert episode.model == "student"
    answers = [
        (step.model or episode.model, [call.name for call in calls(step.message)], trained)
        for step, trained in zip(episode.steps, imitable(episode), strict=True)
        if step.message["role"] == "assistant"
    ]
    assert answers == [
        ("student", ["shell"], True),
        ("student", ["read_file"], True),
        ("student", ["write_file"], False),
        ("student", ["shell"], False),
        ("rescuer", ["read_file"], True),
        ("rescuer", ["write_file"], True),
        ("rescuer", ["shell"], True),
        ("rescuer", [], True),
    ]
    store.close()


async def test_a_student_that_repairs_it_needs_nobody(tmp_path: Path) -> None:
    store, made = Store(tmp_path / "episodes.db"), puzzle("classes", "train", 6)
    model = Rescued(tutor(made), ScriptedModel([], name="teacher"))
    episode = await rollout(made.task, model, store, EpisodeLimits())
    assert episode.verdict is not None
    assert episode.verdict.passed
    assert {step.model for step in episode.steps} == {""}
    store.close()
