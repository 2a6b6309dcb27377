"""Record verified episodes of a teacher at work, on tasks from a file of JSON lines.

A run that was stopped or killed goes on where it was when it is started again.

examples:
  assistant collect --teacher reference --tasks tasks.jsonl
  assistant collect --teacher claude --tasks tasks.jsonl --cost 5
  assistant collect --teacher student --tasks tasks.jsonl --tries 4   (its own successes)
"""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from agent.store import Store
from assistant.config import Config
from assistant.driver import teacher_of
from assistant.progress import Line
from distillation.collect import Collection, Progress
from distillation.rollout import rollout
from distillation.tasks import load_tasks


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--teacher", help="reference, or a model as for chat")
    parser.add_argument(
        "--tasks", type=Path, required=True, action="append", help="may be given more than once"
    )
    parser.add_argument("--jobs", type=int, help="tasks at a time")
    parser.add_argument(
        "--tries", type=int, default=1, help="how often a task is tried until its check passes"
    )
    parser.add_argument("--cost", type=float, help="US dollars that this run may spend")


def run(options: Namespace, config: Config) -> int:
    """Collect; 0 if every task has a verdict in the end, else 1."""
    return asyncio.run(_collect(options, config))


async def _collect(options: Namespace, config: Config) -> int:
    tasks = [task for path in options.tasks for task in load_tasks(path)]
    store = Store(config.home / "episodes.db")
    line = Line(sys.stderr)
    collection = Collection(
        tasks,
        teacher_of(config, options.teacher or config.collect.teacher),
        store,
        jobs=max(1, options.jobs or config.collect.jobs),
        tries=max(1, options.tries),
        cost=config.collect.cost if options.cost is None else options.cost,
        limits=config.limits,
        tell=lambda progress: line.show(_news(progress)),
        play=partial(rollout, choice=config.sandbox.choice),
    )
    try:
        last = await collection.run()
    except asyncio.CancelledError:
        line.end()
        sys.stderr.write("Stopped: the same command goes on from here.\n")
        raise
    finally:
        line.end()
        store.close()
    sys.stdout.write(_summary(last) + "\n")
    return 0 if last.done == last.total else 1


def _news(progress: Progress) -> str:
    eta = "" if progress.eta is None else f" · {progress.eta:.0f} s to go"
    cost = f" · ${progress.cost:.2f}" if progress.cost else ""
    pause = f" · {progress.pause}" if progress.pause else ""
    return f"{progress.done}/{progress.total} tasks{_counts(progress)}{cost}{eta}{pause}"


def _counts(progress: Progress) -> str:
    counts = dict(progress.outcomes) | ({"error": progress.errors} if progress.errors else {})
    return "".join(f" · {count} {name}" for name, count in sorted(counts.items()))


def _summary(last: Progress) -> str:
    lines = [f"{last.done} of {last.total} tasks have a verdict{_counts(last)}, ${last.cost:.2f}."]
    if last.stopped:
        lines.append(last.stopped)
    elif last.errors:
        lines.append("Run the same command again to try those without one.")
    return "\n".join(lines)
