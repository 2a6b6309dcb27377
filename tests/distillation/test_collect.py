"""Collecting in the real sandbox: resumable, capped, one finished episode a task."""

import fcntl
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agent.message import Message
from agent.model import Event, ModelError, Retry, Stop, Text, Usage
from agent.store import Store
from agent.task import Task
from distillation.collect import Collection, Progress
from distillation.reference import reference_teacher
from distillation.rollout import rollout
from distillation.tasks import load_tasks
from sandbox.backend import BACKENDS
from sandbox.choice import Choice
from sandbox.refused import Refused
from tools.schema import ToolSchema

ROOT = Path(__file__).parents[2]


def write_tasks(path: Path, count: int) -> list[Task]:
    lines = [
        json.dumps(
            {
                "id": f"add/{n}",
                "prompt": f"The tests of add{n}.py fail. Find the bug and fix it.",
                "files": {f"add{n}.py": f"def add(a, b):\n    c = {n}\n    return a - b + c - c\n"},
                "tests": {
                    f"test_add{n}.py": f"from add{n} import add\n\n\n"
                    "def test_add():\n    assert add(2, 3) == 5\n"
                },
                "solution": {
                    f"add{n}.py": f"def add(a, b):\n    c = {n}\n    return a + b + c - c\n"
                },
            }
        )
        for n in range(count)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return load_tasks(path)


async def test_the_reference_teacher_passes_and_its_episode_shows_how(tmp_path: Path) -> None:
    (task,) = write_tasks(tmp_path / "t.jsonl", 1)
    store = Store(tmp_path / "e.sqlite")
    progress = await Collection([task], reference_teacher, store).run()
    assert progress.outcomes == {"pass": 1}
    (episode,) = store.episodes()
    called = [c["function"]["name"] for m in episode.messages for c in m.get("tool_calls", [])]
    assert called == ["list_files", "shell", "read_file", "edit_file", "shell"]
    assert "[exit code 1]" in episode.messages[5]["content"]
    assert "[exit code 0]" in episode.messages[11]["content"]
    assert episode.messages[-1]["content"].endswith("all tests pass now.")
    assert "-    return a - b + c - c" in episode.diff
    store.close()


async def test_a_teacher_whose_edit_is_wrong_fails(tmp_path: Path) -> None:
    (task,) = write_tasks(tmp_path / "t.jsonl", 1)
    wrong = Task(task.id, task.prompt, task.check, task.files, {"add0.py": "add = max\n"})
    store = Store(tmp_path / "e.sqlite")
    progress = await Collection([wrong], reference_teacher, store).run()
    assert progress.outcomes == {"fail": 1}
    (episode,) = store.episodes()
    assert episode.verdict
    assert "assert add(2, 3) == 5" in "".join(episode.verdict.failures)
    assert "do not pass" in episode.messages[-1]["content"]
    store.close()


async def test_a_second_run_repeats_nothing(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "t.jsonl", 2)
    store = Store(tmp_path / "e.sqlite")
    await Collection(tasks[:1], reference_teacher, store).run()
    ended: list[Progress] = []
    progress = await Collection(tasks, reference_teacher, store, tell=ended.append).run()
    assert [p.last.task for p in ended if p.last] == ["add/1"]
    assert progress.outcomes == {"pass": 2}
    assert len(list(store.episodes())) == 2
    store.close()


class Learning:
    """A teacher that gets it right from a certain try on."""

    name = "learning"

    def __init__(self, task: Task, right: int) -> None:
        wrong = Task(task.id, task.prompt, task.check, task.files, {"add0.py": "add = max\n"})
        self.tries = [reference_teacher(wrong)] * (right - 1) + [reference_teacher(task)] * 9
        self.count = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        self.count += len(messages) == 2
        async for event in self.tries[self.count - 1].stream(messages, tools):
            yield event


@pytest.mark.parametrize(
    ("tries", "right", "outcome", "played"), [(3, 2, "pass", 2), (2, 9, "fail", 2)]
)
async def test_a_task_is_tried_until_it_passes(
    tmp_path: Path, tries: int, right: int, outcome: str, played: int
) -> None:
    (task,) = write_tasks(tmp_path / "t.jsonl", 1)
    teacher, store = Learning(task, right), Store(tmp_path / "e.sqlite")
    progress = await Collection([task], lambda task: teacher, store, tries=tries).run()
    assert progress.outcomes == {outcome: 1}
    assert len(list(store.episodes())) == played
    # What is left of the tries is all that another run has.
    await Collection([task], lambda task: teacher, store, tries=tries).run()
    assert len(list(store.episodes())) == played
    store.close()


RUN = """
import asyncio, sys
from pathlib import Path
from agent.store import Store
from distillation.collect import Collection
from distillation.reference import reference_teacher
from distillation.tasks import load_tasks
folder = Path(sys.argv[1])
run = Collection(load_tasks(folder / "t.jsonl"), reference_teacher, Store(folder / "e.sqlite"))
print(asyncio.run(run.run()).outcomes)
"""


def test_killed_at_random_moments_it_goes_on_where_it_was(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "t.jsonl", 8)
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    moments = random.Random(7)
    for _ in range(4):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            time.sleep(moments.uniform(0.8, 3.0))
            process.send_signal(signal.SIGKILL)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str({"pass": 8})
    store = Store(tmp_path / "e.sqlite")
    finished = [episode.task for episode in store.episodes() if episode.verdict]
    assert sorted(finished) == sorted(task.id for task in tasks)
    store.close()


class Down:
    """A teacher whose provider is away, or costs money."""

    name = "down"

    def __init__(self, cost: float | None = None) -> None:
        self.cost = cost

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        if self.cost is None:
            raise ModelError("The provider is overloaded.")
        yield Text("I give up.")
        yield Usage(cost=self.cost)
        yield Stop("end")


async def test_a_teacher_that_is_down_stops_the_run_with_its_reason(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "t.jsonl", 8)
    store = Store(tmp_path / "e.sqlite")
    with pytest.raises(Refused, match=r"5 times running.*overloaded"):
        await Collection(tasks, lambda task: Down(), store).run()
    assert store.judged("down") == {}
    store.close()


async def test_the_money_cap_ends_the_run_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "t.jsonl", 4)
    store = Store(tmp_path / "e.sqlite")
    progress = await Collection(tasks, lambda task: Down(0.3), store, jobs=1, cost=0.5).run()
    assert progress.outcomes == {"fail": 2}
    assert "$0.50" in progress.stopped
    progress = await Collection(tasks, lambda task: Down(0.3), store, jobs=1, cost=5.0).run()
    assert progress.outcomes == {"fail": 4}
    store.close()


async def test_two_collections_at_once_are_refused(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "t.jsonl", 1)
    store = Store(tmp_path / "e.sqlite")
    with (tmp_path / "collect.lock").open("w", encoding="utf-8") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="under way"):
            await Collection(tasks, reference_teacher, store).run()
    assert (await Collection(tasks, reference_teacher, store).run()).outcomes == {"pass": 1}
    store.close()


class Busy:
    """A teacher that has to be asked twice."""

    name = "busy"

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        yield Retry("rate limited, again in 0 s", 0.0, overloaded=True)
        yield Text("I give up.")
        yield Stop("end")


async def test_why_nothing_goes_on_is_told(tmp_path: Path) -> None:
    tasks, told = write_tasks(tmp_path / "t.jsonl", 1), list[Progress]()
    store = Store(tmp_path / "e.sqlite")
    await Collection(tasks, lambda task: Busy(), store, tell=told.append).run()
    assert [(progress.pause, progress.done) for progress in told] == [
        ("rate limited, again in 0 s", 0),
        ("", 1),
    ]
    store.close()


class Unpriced:
    """A teacher whose price nobody knows."""

    name = "unpriced"

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        yield Text("I give up.")
        yield Usage(1, 1, cost=None)
        yield Stop("end")


async def test_a_cap_that_cannot_be_held_is_said_to_be_so(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "t.jsonl", 2)
    store = Store(tmp_path / "e.sqlite")
    progress = await Collection(tasks, lambda task: Unpriced(), store, jobs=1, cost=5.0).run()
    assert progress.outcomes == {"fail": 1}
    assert "No price is known" in progress.stopped
    assert "raise" not in progress.stopped
    store.close()


_ELSEWHERE = ("{python}", "-c", "import os; assert os.getcwd() != '/workspace'")


@pytest.mark.parametrize("backend", ["none", "landlock"])
async def test_the_chosen_sandbox_is_used(tmp_path: Path, backend: str) -> None:
    """By the agent and by the check, also where it shows no copy-on-write workspaces."""
    choice = Choice(backend)
    if await BACKENDS[backend].canary(choice):
        pytest.skip(f"there is no {backend} here")
    (task,) = write_tasks(tmp_path / "t.jsonl", 1)
    task = replace(task, check=replace(task.check, commands=(*task.check.commands, _ELSEWHERE)))
    play = partial(rollout, choice=choice)
    for how, outcome in ((play, "pass"), (rollout, "fail")):
        store = Store(tmp_path / f"{outcome}.sqlite")
        progress = await Collection([task], reference_teacher, store, play=how).run()
        assert progress.outcomes == {outcome: 1}
        store.close()
