"""Show what one retraining does: the student before and after, on tasks that it never saw.

It runs in a home of its own, which is removed afterwards, takes about five minutes on two cores,
and leaves one page to look at. A run that was stopped or killed goes on where it was.

examples:
  assistant demo
  assistant demo --seed 1 --report demo.html
"""

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryFile

from agent.store import Store
from assistant.config import Config
from assistant.demo import Demo, own_home
from assistant.install import MEND
from assistant.outcome import report, sentence, write
from sandbox.refused import Refused
from training.parts import missing_parts
from training.registry import Registry


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--seed", type=int, default=0, help="each seed has other tasks")
    parser.add_argument("--report", type=Path, help="where the page is written")


def run(options: Namespace, config: Config) -> int:
    """Play it, write the page and say what came of it."""
    if missing := missing_parts():
        raise Refused(f"The demo trains, and {', '.join(missing)} is missing: get it with {MEND}.")
    if options.seed < 0:
        raise Refused(f"--seed cannot be {options.seed}: use 0 or more.")
    path: Path = options.report or config.home / "demo" / "report.html"
    _writable(path)
    with own_home(config, options.seed) as own:
        sys.stdout.write(asyncio.run(_play(Demo(own, options.seed), path)))
    return 0


def _writable(path: Path) -> None:
    """Find out before minutes have passed.

    Raises:
        Refused: the page could not be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise Refused(
            f"No page can be written to {path} ({error.strerror}): name another with --report."
        ) from error
    if path.is_dir():
        raise Refused(f"{path} is a folder: name a file with --report.")


async def _play(demo: Demo, path: Path) -> str:
    began, episodes = time.monotonic(), demo.config.home / "episodes.db"
    resumed = episodes.exists()
    store, registry = Store(episodes), Registry(demo.config.home)
    try:
        with demo.board.shown():
            outcome = await demo.play(store, registry)
        seconds = time.monotonic() - began
        write(report(outcome, store, registry, demo, seconds, resumed), path)
    except asyncio.CancelledError:
        sys.stderr.write("Stopped: the same command goes on from here.\n")
        raise
    finally:
        store.close()
    return f"\n{sentence(outcome)}\nThe page: {path}\n"
