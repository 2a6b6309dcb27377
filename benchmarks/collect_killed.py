"""Kill `assistant collect` with SIGKILL at random moments until it is through; then count.

    python benchmarks/collect_killed.py tasks.jsonl --kills 10

Exits with 1 unless every task has one finished episode, no more and no less.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from agent.store import Store
from distillation.tasks import load_tasks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tasks, moments = load_tasks(options.tasks), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as home:
        command = [str(Path(sys.executable).with_name("assistant")), "collect"]
        command += ["--teacher", "reference", "--tasks", str(options.tasks)]
        environment = {"ASSISTANT_HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin"}
        for kill in range(options.kills):
            with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
                time.sleep(moments.uniform(1.0, 8.0))
                process.send_signal(signal.SIGKILL)
            print(f"kill {kill + 1}: {_counts(home)}", flush=True)
        ended = subprocess.run(command, env=environment, check=False)
        finished = _finished(home)
        print(f"end, exit code {ended.returncode}: {_counts(home)}")
    return 0 if finished == Counter(task.id for task in tasks) else 1


def _finished(home: str) -> Counter[str]:
    store = Store(Path(home) / "episodes.db")
    try:
        return Counter(episode.task for episode in store.episodes() if episode.verdict)
    finally:
        store.close()


def _counts(home: str) -> str:
    finished = _finished(home)
    store = Store(Path(home) / "episodes.db")
    cut = sum(episode.stop is None for episode in store.episodes())
    store.close()
    twice = sum(count > 1 for count in finished.values())
    return f"{len(finished)} tasks finished, {twice} of them twice, {cut} episodes cut short"


if __name__ == "__main__":
    sys.exit(main())
