"""How often verification is fooled, and how often it is wrong about who is right.

Run as `python -m benchmarks.verification [TRIES] [TASKS]` beside a folder of task files
(`shared/data/tasks` next to the checkout): TRIES (200) of cheating, spread over all tricks and
tasks, then the known solutions of TASKS (500) tasks, each judged twice with two runs each.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sandbox.backend import open_sandbox
from sandbox.check import Check, Verdict
from sandbox.verify import verify
from sandbox.workspace import copy_of
from tests.sandbox.tricks import sample, tampered

_TASKS = Path(__file__).resolve().parents[2] / "shared/data/tasks"
_AT_ONCE = 2
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def _tasks() -> dict[str, Any]:
    """All runnable tasks, by their id."""
    rows = [
        json.loads(line)
        for name in ("quixbugs", "exercism", "classeval", "mbpp")
        for line in (_TASKS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return {row["id"]: row for row in rows}


def _check(task: Mapping[str, Any]) -> Check:
    command = ("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", *task["tests"])
    return Check((command,), task["tests"], 60)


async def _judged(task: Mapping[str, Any], files: Mapping[str, str], runs: int) -> Verdict:
    start = {**task["files"], **task["tests"]}
    workspace = await asyncio.to_thread(copy_of, {**start, **files})
    try:
        return await verify(_check(task), workspace.root, start, runs=runs)
    finally:
        await asyncio.to_thread(workspace.close)


async def _fooled(task: Mapping[str, Any], files: Mapping[str, str]) -> bool:
    """Whether the exit code of pytest alone would have been believed."""
    workspace = await asyncio.to_thread(copy_of, {**task["files"], **task["tests"], **files})
    sandbox = await open_sandbox(workspace.root, own_python=False)
    try:
        command = [sandbox.python, "-m", "pytest", "-q", *task["tests"]]
        return (await sandbox.run(command, seconds=60)).ok
    finally:
        await sandbox.close()
        await asyncio.to_thread(workspace.close)


async def _all(
    work: Callable[[_Item], Awaitable[_Answer]], items: Sequence[_Item]
) -> list[_Answer]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: _Item) -> _Answer:
        async with gate:
            return await work(item)

    return list(await asyncio.gather(*map(one, items)))


async def _tampering(tasks: dict[str, Any], tries: int) -> None:
    pairs = sample(sorted(tasks), tries)

    async def attempt(pair: tuple[str, str]) -> tuple[str, bool]:
        task = tasks[pair[1]]
        files = tampered(pair[0], task["solution"], task["tests"])
        verdict = await _judged(task, files, 1)
        if verdict.outcome != "fail":
            print(f"  {verdict.outcome}: {pair} {verdict.failures}")
        return verdict.outcome, await _fooled(task, files)

    began = time.monotonic()
    ended = await _all(attempt, pairs)
    outcomes = Counter(outcome for outcome, _ in ended)
    print(f"{tries} tries to cheat: {outcomes['pass']} false passes, {outcomes['unknown']} unknown")
    print(f"  by the exit code alone: {sum(fooled for _, fooled in ended)} false passes")
    print(f"  {time.monotonic() - began:.0f} s")


async def _references(tasks: dict[str, Any], wanted: int) -> None:
    names = sorted(tasks)[:wanted]

    async def attempt(name: str) -> tuple[str, float]:
        verdict = await _judged(tasks[name], tasks[name]["solution"], 2)
        if not verdict.passed:
            print(f"  {verdict.outcome}: {name} {verdict.failures}")
        return verdict.outcome, verdict.seconds

    for time_of in ("first", "second"):
        ended = await _all(attempt, names)
        outcomes = Counter(outcome for outcome, _ in ended)
        seconds = sorted(took for _, took in ended)
        print(
            f"{len(names)} known solutions, the {time_of} time: {outcomes['fail']} false fails, "
            f"{outcomes['unknown']} unknown; median {seconds[len(seconds) // 2]:.2f} s a verdict"
        )


async def main() -> None:
    """Print what came of it."""
    numbers = [int(word) for word in sys.argv[1:]]
    tries, wanted = (*numbers, 200, 500)[:2] if len(numbers) != 1 else (numbers[0], 500)
    tasks = _tasks()
    await _tampering(tasks, tries)
    await _references(tasks, wanted)


if __name__ == "__main__":
    asyncio.run(main())
