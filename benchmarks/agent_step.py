"""What a step of an agent costs beside the model: ours, the SDK alone, and three other agents.

All talk to a server that answers at once (`instant_server.py`, a process of its own), with a tool
that answers at once (`ours, whole` is the installed command with all its tools, reading files in
the sandbox). Each peer runs in an environment of its own, which is made when there is none.

Run: python benchmarks/agent_step.py [--runs N] [--environments FOLDER]

Medians over the steps of a run, the best of the runs: whatever else a machine does only adds to it.
A step lasts from the arrival of one request at the server to that of the next. Start is the time
from the start of the process until the first byte of its first request.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic_ns

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
STEPS = 50
EARLY, LATE = slice(4, 15), slice(39, 50)
MOST_START = 1.0
ENVIRONMENTS = {
    "langchain": (
        "langchain==1.4.7",
        "langchain-openai==1.7.3",
        "langgraph-checkpoint-sqlite==3.1.2",
    ),
    # litellm asks for mcp without saying so.
    "mini-swe-agent": ("mini-swe-agent==2.4.6", "litellm==1.106.2", "mcp==2.3.0"),
    "smolagents": ("smolagents[openai]==1.26.0",),
}


@dataclass(frozen=True)
class Subject:
    """What is measured."""

    name: str
    command: tuple[str, ...]
    """With `{python}` of its environment, `{url}` and `{folder}`."""
    environment: str = ""
    """Of `ENVIRONMENTS`; empty is this one."""


@dataclass
class Figures:
    """Of the runs of one subject: seconds to the first request, milliseconds a step."""

    start: list[float] = field(default_factory=list[float])
    early: list[float] = field(default_factory=list[float])
    late: list[float] = field(default_factory=list[float])

    def add(self, began: int, times: Sequence[int]) -> None:
        """Take in a run: when the process began, when its requests came."""
        steps = [(b - a) / 1e6 for a, b in pairwise(times)]
        self.start.append((times[0] - began) / 1e9)
        self.early.append(statistics.median(steps[EARLY]))
        self.late.append(statistics.median(steps[LATE]))

    @property
    def best(self) -> tuple[float, float, float]:
        """Start, early and late."""
        return min(self.start), min(self.early), min(self.late)


def _peer(name: str, script: str, *more: str, environment: str = "") -> Subject:
    command = ("{python}", str(PEERS / script), "{url}", "{folder}", *more)
    return Subject(name, command, environment)


ASK = ("-p", "Look at all files, one by one, then say Done.", "--mode", "auto")
OURS = (
    Subject(
        "ours, whole",
        (str(Path(sys.executable).with_name("assistant")), *ASK, "--model", "bench:bench"),
    ),
    _peer("ours, one instant tool", "our_agent.py"),
)
SDK = (
    _peer("openai SDK, typed", "bare_sdk.py", "typed"),
    _peer("openai SDK, raw", "bare_sdk.py", "raw"),
)
OTHERS = (
    _peer("create_agent", "langchain_agent.py", "none", environment="langchain"),
    _peer("create_agent, in memory", "langchain_agent.py", "memory", environment="langchain"),
    _peer("create_agent, on disk", "langchain_agent.py", "sqlite", environment="langchain"),
    _peer("mini-swe-agent", "mini_agent.py", environment="mini-swe-agent"),
    _peer("smolagents", "smol_agent.py", environment="smolagents"),
)


def interpreter(folder: Path, name: str) -> str:
    """The Python of an environment, which is made when it is not there."""
    python = folder / name / "bin/python"
    if not name:
        return sys.executable
    mark = folder / name / "whole"
    if not mark.exists():
        print(f"making an environment for {name}", file=sys.stderr, flush=True)
        venv.create(folder / name, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-q", *ENVIRONMENTS[name]]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        mark.touch()
    return str(python)


def ran(subject: Subject, python: str, port: int, run: str) -> tuple[int, list[int]]:
    """When the process began, and when its requests came."""
    base = f"http://127.0.0.1:{port}/{run}"
    with tempfile.TemporaryDirectory() as folder:
        _lay(Path(folder), f"{base}/v1")
        places = {"python": python, "url": f"{base}/v1", "folder": folder}
        command = [part.format(**places) for part in subject.command]
        environment = os.environ | {
            "ASSISTANT_HOME": f"{folder}/home",
            "PYTHONPATH": str(HERE.parent) if python == sys.executable else "",
            "MSWEA_GLOBAL_CONFIG_DIR": folder,
        }
        began = monotonic_ns()
        done = subprocess.run(
            command, cwd=f"{folder}/work", env=environment, capture_output=True, text=True
        )
    with urllib.request.urlopen(f"{base}/times") as response:
        times: list[int] = json.load(response)
    if done.returncode or len(times) <= STEPS:
        raise SystemExit(f"{subject.name} made {len(times)} requests:\n{done.stderr[-2000:]}")
    return began, times


def _lay(folder: Path, url: str) -> None:
    """Files to read, and a home in which the endpoint has a name."""
    (folder / "home").mkdir()
    settings = f'[models.endpoints.bench]\nbase_url = "{url}"\n[limits]\nsteps = 1000\n'
    (folder / "home/config.toml").write_text(settings, encoding="utf-8")
    (folder / "work").mkdir()
    text = "\n".join(f"def function_{n}(argument): return argument + {n}" for n in range(12))
    for n in range(STEPS + 1):
        (folder / f"work/f{n}.txt").write_text(text + "\n", encoding="utf-8")


def measured(
    subjects: Sequence[Subject], runs: int, environments: Path, port: int
) -> dict[str, Figures]:
    """Figures by subject, in turns, after one run that warms the caches."""
    figures = {subject.name: Figures() for subject in subjects}
    for number in range(runs + 1):
        for at, subject in enumerate(subjects):
            python = interpreter(environments, subject.environment)
            result = ran(subject, python, port, f"{at}-{number}")
            if number:
                figures[subject.name].add(*result)
    return figures


def verdict(figures: dict[str, Figures]) -> list[str]:
    """What does not hold."""
    whole = figures["ours, whole"].best
    problems = [
        f"ours, whole takes {whole[at]:.1f} ms {when}, {subject.name} {theirs[at]:.1f} ms"
        for subject in OTHERS
        if subject.name in figures
        for theirs in [figures[subject.name].best]
        for at, when in ((1, "early"), (2, "late"))
        if whole[at] >= theirs[at]
    ]
    grown = {name: each.best[2] - each.best[1] for name, each in figures.items()}
    if grown["ours, whole"] > (bare := grown["openai SDK, typed"]):
        problems.append(f"ours grows by {grown['ours, whole']:.2f} ms, the SDK by {bare:.2f} ms")
    if whole[0] > MOST_START:
        problems.append(f"the first request comes after {whole[0]:.2f} s")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="of the others, those with this in their name")
    place = Path(tempfile.gettempdir()) / "agent-step-environments"
    parser.add_argument("--environments", type=Path, default=place, help="kept from run to run")
    options = parser.parse_args()
    subjects = [*OURS, *SDK, *(other for other in OTHERS if options.only in other.name)]
    for subject in subjects:
        interpreter(options.environments, subject.environment)
    command = [sys.executable, str(HERE / "instant_server.py"), str(STEPS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            port = int(server.stdout.readline())
            figures = measured(subjects, options.runs, options.environments, port)
        finally:
            server.terminate()
    print(f"{'':<26}{'start':>10}{'step 5-15':>12}{'step 40-50':>12}{'growth':>10}")
    for name, each in figures.items():
        start, early, late = each.best
        times = f"{start:>8.2f} s{early:>9.1f} ms{late:>9.1f} ms{late - early:>7.1f} ms"
        print(f"{name:<26}{times}")
    problems = verdict(figures)
    print("\n".join(problems) or "ours costs less than each of theirs and grows no faster")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
