"""Plays tutored episodes through the real tools, in shards of rows on disk.

The messages are those that the agent itself would have recorded, made without its store and graph:
a test compares them. A shard is written whole, by rename; a killed run goes on after the last one.
"""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agent.message import Message, assistant, observed, system, user
from agent.prompt import system_prompt
from agent.task import Split
from distillation.example import Example
from distillation.programs.program import Puzzle, puzzle
from distillation.programs.tutor import SLIPS, Move, moves
from distillation.programs.warm import Warm
from sandbox.backend import open_sandbox
from sandbox.sandbox import Sandbox
from sandbox.tree import name as named
from sandbox.workspace import Workspace, copy_of, place
from tools.call import ToolCall
from tools.registry import default_tools
from tools.tool import Context, execute, schema

TOOLS = default_tools()
_DETOURS = 0.08
"""Chance of each kind of mistake in an episode."""
_ASTRAY = 0.3
"""And in a hard one."""
_HIDDEN = 0.5
"""Share of the files there that one cannot guess from the name of their test."""
_HARD = 1_000_000
"""Where the seeds of hard ones begin."""


class Failed(Exception):
    """An episode did not go as its maker expected; `str()` says where."""


class Stage:
    """One sandbox, in which episodes are played one after the other."""

    def __init__(self, workspace: Workspace, sandbox: Sandbox) -> None:
        """Use `Stage.open`."""
        self._root = workspace.root
        self._sandbox = cast(Sandbox, Warm(sandbox))

    @staticmethod
    @asynccontextmanager
    async def open() -> "AsyncGenerator[Stage]":
        """A stage with an empty workspace."""
        workspace = await asyncio.to_thread(copy_of, {})
        sandbox = await open_sandbox(workspace.root)
        try:
            yield Stage(workspace, sandbox)
        finally:
            await sandbox.close()
            await asyncio.to_thread(workspace.close)

    async def play(self, puzzle: Puzzle, plan: Sequence[Move]) -> Example:
        """The episode of a puzzle, by these moves.

        Raises:
            Failed: tests passed or failed where they should not have.
        """
        task = puzzle.task
        await self._fill(task.files | task.check.protected)
        messages: list[Message] = [system(system_prompt()), user(task.prompt)]
        trained = [False, False]
        context = Context(self._sandbox, self._root)
        for move in plan:
            trained += [move.trained] + [False] * bool(move.tool)
            messages += await _made(move, len(messages), context)
        schemas = [schema(tool) for tool in TOOLS]
        return Example(task.id, task.id, messages, schemas, trained)

    async def _fill(self, files: dict[str, str]) -> None:
        """Empty the workspace and put the files there."""
        await self._sandbox.run(["sh", "-c", "rm -rf -- * .[!.]*"])
        for path, text in files.items():
            place(self._root, named(path), text)


async def _made(move: Move, index: int, context: Context) -> list[Message]:
    """The messages of a move."""
    if not move.tool:
        return [assistant(move.text)]
    call = ToolCall(f"call_{index}_0", move.tool, move.arguments or {})
    result = await execute(call, TOOLS, context)
    green = "[exit code 0]" in result.text
    if move.green is not None and green != move.green:
        raise Failed(f"the tests {'pass' if green else 'fail'} at message {index}")
    return [assistant(move.text, [call]), observed(result)]


def write(path: Path, rows: Sequence[Example]) -> None:
    """Write a shard; the tools are left out, since they are always the same."""
    part = path.with_suffix(".part")
    with gzip.open(part, "wt", encoding="utf-8", compresslevel=4) as file:
        for row in rows:
            record = {"id": row.task, "messages": row.messages, "trained": row.trained}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    part.rename(path)


def read(path: Path) -> list[Example]:
    """The rows of a shard."""
    schemas = [schema(tool) for tool in TOOLS]
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records: list[dict[str, Any]] = [json.loads(line) for line in file]
    return [Example(r["id"], r["id"], r["messages"], schemas, r["trained"]) for r in records]


@dataclass(frozen=True)
class Series:
    """Shards of one kind."""

    family: str
    split: Split
    hard: bool = False
    """With compounds for names and many mistakes: long conversations, in which one goes astray."""

    def path(self, folder: Path, number: int) -> Path:
        """Where a shard is."""
        kind = f"{self.split}-hard" if self.hard else self.split
        return folder / f"{self.family}-{kind}-{number:04}.jsonl.gz"

    def episode(self, seed: int) -> tuple[Puzzle, list[Move]]:
        """The puzzle of this seed, and how it is played."""
        if not self.hard:
            made = puzzle(self.family, self.split, seed, None)
            return made, moves(made, _DETOURS)
        made = puzzle(self.family, self.split, _HARD + seed, None, 0.4, _HIDDEN)
        return made, moves(made, _ASTRAY, SLIPS)


async def shard(folder: Path, series: Series, number: int, rows: int = 200) -> None:
    """Make shard `number` of a series if it is not there; episodes that fail are left out."""
    path = series.path(folder, number)
    if path.exists():
        return
    made: list[Example] = []
    async with Stage.open() as stage:
        for seed in range(number * rows, (number + 1) * rows):
            with contextlib.suppress(Failed):
                made.append(await stage.play(*series.episode(seed)))
    folder.mkdir(parents=True, exist_ok=True)
    write(path, made)
