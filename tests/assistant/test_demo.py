import asyncio
import io
from pathlib import Path

from agent.task import split_of
from assistant.config import Config
from assistant.demo import Demo, demo_tasks, own_home, table
from distillation.dataset import Rules
from sandbox.verify import verify
from sandbox.workspace import copy_of


async def test_every_task_fails_at_its_start_and_passes_with_its_solution() -> None:
    async def outcome(files: dict[str, str], task: int) -> str:
        check = tasks[task].check
        workspace = copy_of(files | check.protected)
        try:
            return (await verify(check, workspace.root, tasks[task].files)).outcome
        finally:
            workspace.close()

    tasks = demo_tasks()
    starts = [outcome(task.files, n) for n, task in enumerate(tasks)]
    ends = [outcome(task.files | (task.solution or {}), n) for n, task in enumerate(tasks)]
    assert await asyncio.gather(*starts) == ["fail"] * len(tasks)
    assert await asyncio.gather(*ends) == ["pass"] * len(tasks)


def test_there_are_tasks_to_train_on_and_tasks_to_judge_by() -> None:
    splits = [split_of(task.id, Rules().heldout) for task in demo_tasks()]
    assert splits.count("train") >= 5
    assert splits.count("heldout") >= 2


def test_its_home_is_its_own_and_shares_the_cache(tmp_path: Path) -> None:
    with own_home(Config(tmp_path / "mine")) as config:
        assert config.home != tmp_path / "mine"
        (config.home / "episodes.db").write_text("x")
        (config.home / "cache" / "download").write_text("x")
    assert not config.home.exists()
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["cache", "download"]


def test_the_table_has_a_row_a_stage(tmp_path: Path) -> None:
    demo = Demo(Config(tmp_path), io.StringIO())
    with demo.stage("collect") as said:
        said.append("8 of 8 tasks")
    demo.rows.append(("retrain", "skipped: no torch, get assistant[train]", 0.0))
    text = table(demo)
    assert "8 of 8 tasks" in text
    assert "skipped: no torch, get assistant[train]" in text
