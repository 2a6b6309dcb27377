"""How a model did on a set of tasks."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.task import Task
from distillation.manifest import write_manifest
from sandbox.check import Outcome
from sandbox.refused import Refused


@dataclass(frozen=True)
class Result:
    """One task's end."""

    task: str
    digest: str
    """Of the task as it was then."""
    outcome: Outcome
    stop: str
    """Why the episode ended."""
    steps: int
    seconds: float
    episode: str


@dataclass(frozen=True)
class Scorecard:
    """One model on one set of tasks. Whether a task was solved is decided by its check alone."""

    model: str
    tasks: str
    """Hash of the task set."""
    results: tuple[Result, ...]

    @property
    def solved(self) -> int:
        """Tasks whose check passed."""
        return sum(result.outcome == "pass" for result in self.results)

    @property
    def judged(self) -> int:
        """Tasks with a verdict; where the infrastructure failed, nothing is known."""
        return sum(result.outcome != "unknown" for result in self.results)

    @property
    def rate(self) -> float:
        """Share of the judged tasks that were solved; 0 if there are none."""
        return self.solved / self.judged if self.judged else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the rate."""
        return wilson(self.solved, self.judged)

    def of(self, tasks: Collection[str]) -> "Scorecard":
        """Its part on these tasks, by id."""
        part = tuple(result for result in self.results if result.task in tasks)
        return replace(self, results=part)

    def __str__(self) -> str:
        """The figures in a few words."""
        low, high = self.interval
        text = f"{self.solved} of {self.judged} ({100 * low:.0f} to {100 * high:.0f} %)"
        unknown = len(self.results) - self.judged
        return text + (f", {unknown} could not be judged" if unknown else "")

    def write(self, path: Path) -> None:
        """Write by rename."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(path, asdict(self))

    @staticmethod
    def read(path: Path) -> "Scorecard":
        """Read what `write` wrote.

        Raises:
            Refused: it is missing or broken.
        """
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            results = tuple(Result(**entry) for entry in record["results"])
            return Scorecard(record["model"], record["tasks"], results)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Refused(f"The scorecard {path} is broken ({error}): delete it.") from error


def hash_of(tasks: Sequence[Task]) -> str:
    """The name of a task set: SHA-256 of its digests in order of the ids, hex."""
    digests = "\n".join(task.digest for task in sorted(tasks, key=lambda task: task.id))
    return hashlib.sha256(digests.encode()).hexdigest()


def wilson(solved: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share; (0, 1) where nothing was tried.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).
    """
    if not of:
        return 0.0, 1.0
    rate = solved / of
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    # At the ends the interval touches them; rounding must not leave it just beside.
    low = 0.0 if solved == 0 else max(0.0, middle - half)
    return low, 1.0 if solved == of else min(1.0, middle + half)


def paired(old: Scorecard, new: Scorecard) -> Mapping[str, tuple[Outcome, Outcome]]:
    """Task to old and new outcome, where both judged the very same task."""
    before = {result.digest: result for result in old.results if result.outcome != "unknown"}
    return {
        result.task: (before[result.digest].outcome, result.outcome)
        for result in new.results
        if result.digest in before and result.outcome != "unknown"
    }
