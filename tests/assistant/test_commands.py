"""Collecting, what was collected, and the student's versions, by the installed command."""

import json
import subprocess
from pathlib import Path

import pytest

from agent.episode import Episode, Step
from agent.message import assistant, user
from agent.model import Usage
from agent.store import Store
from distillation.tasks import load_tasks
from tests.assistant.terminal import COMMAND, clean_environment

TASKS = Path(__file__).with_name("tasks.jsonl")
LINES = TASKS.read_text(encoding="utf-8").splitlines()


def run(home: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [COMMAND, *arguments],
        env=clean_environment() | {"ASSISTANT_HOME": str(home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the reference teacher was collected from, on two tasks."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "tasks.jsonl").write_text("\n".join(LINES[:2]) + "\n")
    said = run(folder, "collect", "--teacher", "reference", "--tasks", folder / "tasks.jsonl")
    assert said == "2 of 2 tasks have a verdict · 2 pass, $0.00.\n"
    return folder


def test_a_second_run_has_nothing_left_to_do(home: Path) -> None:
    said = run(home, "collect", "--tasks", home / "tasks.jsonl", "--jobs", "1")
    assert said == "2 of 2 tasks have a verdict · 2 pass, $0.00.\n"
    assert len(run(home, "episodes", "list").splitlines()) == 2


def test_episodes_are_listed_and_shown(home: Path) -> None:
    lines = run(home, "episodes", "list").splitlines()
    assert {line.split()[-1] for line in lines} == {task.id for task in load_tasks(TASKS)[:2]}
    assert all(line.split()[3] == "pass" for line in lines)
    identity = lines[0].split()[0]
    shown = run(home, "episodes", "show", identity)
    assert "-> shell" in shown
    assert "+++ b/" in shown
    record = json.loads(run(home, "episodes", "show", identity, "--json"))
    assert record["verdict"]["outcome"] == "pass"
    assert len(run(home, "episodes", "list", "--last", "1").splitlines()) == 1


def test_an_episode_shows_how_much_of_its_prompts_was_reused(tmp_path: Path) -> None:
    store = Store(tmp_path / "episodes.db")
    store.begin(Episode("e", "", "", "m", (), 1.0))
    store.append("e", 0, Step(user("Hi")))
    store.append("e", 1, Step(assistant("Yes."), Usage(1000, 5)))
    store.append("e", 2, Step(assistant("No."), Usage(3000, 5, 2000)))
    store.close()
    shown = run(tmp_path, "episodes", "show", "e").splitlines()
    assert "user" in shown
    assert "assistant · prefix 0 reused / 1,000 evaluated (0%)" in shown
    assert "assistant · prefix 2,000 reused / 1,000 evaluated (67%)" in shown
    assert "all steps · prefix 2,000 reused / 2,000 evaluated (50%)" in shown


def test_versions_are_made_listed_used_and_rolled_back(home: Path) -> None:
    assert "no student yet" in run(home, "models", "list")
    assert "It is pretrained" in run(home, "student", "init")
    run(home, "student", "init", "--id", "second", "--seed", "1")
    run(home, "models", "use", "second")
    rows = [json.loads(line) for line in run(home, "models", "--json").splitlines()]
    versions = {row["id"]: row["active"] for row in rows if row["kind"] == "version"}
    assert versions == {"student": False, "second": True}
    assert run(home, "models", "rollback") == "The student is version student again.\n"
    assert run(home, "models", "list").startswith("student\n* student")
