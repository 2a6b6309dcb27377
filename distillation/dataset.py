"""Datasets: verified episodes, frozen under the hash of their content, with their lineage."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.episode import Episode
from agent.task import split_of
from distillation.example import Example, examples
from distillation.manifest import write_manifest
from sandbox.refused import Refused

FORMAT = 1


@dataclass(frozen=True)
class Rules:
    """What may become training material. Part of the dataset's hash."""

    heldout: float = 0.2
    """Share of tasks, by id, that training must never see."""
    models: tuple[str, ...] = ()
    """Only episodes of these models; empty: of all."""
    per_task: int = 4
    """Most episodes of one task; the shortest are kept."""


@dataclass(frozen=True)
class Dataset:
    """A frozen dataset in `folder`: `rows.jsonl` and a `manifest.json` that was written last."""

    hash: str
    """SHA-256 of rows and rules, hex."""
    folder: Path
    rows: int
    episodes: tuple[str, ...]
    """Its parents, in row order."""
    rules: Rules
    dropped: dict[str, int]
    """Reason to number of episodes that were left out."""

    @staticmethod
    def freeze(episodes: Iterable[Episode], parent: Path, rules: Rules | None = None) -> "Dataset":
        """Select, and write under `parent` unless the very same dataset is there already.

        Raises:
            Refused: no episode is left; the sentence says what was dropped and why.
        """
        rules = rules or Rules()
        kept, dropped = _select(episodes, rules)
        if not kept:
            raise Refused(f"There is nothing to train on: {_reasons(dropped)}. Collect first.")
        lines = [_line(row) for episode in kept for row in examples(episode)]
        digest = _digest(rules, lines)
        dataset = Dataset(
            *(digest, parent / digest[:16], len(lines), tuple(e.id for e in kept), rules, dropped)
        )
        if not (dataset.folder / "manifest.json").exists():
            dataset._write(lines)
        return dataset

    @staticmethod
    def open(folder: Path) -> "Dataset":
        """Read a frozen dataset's manifest.

        Raises:
            Refused: there is no whole dataset in `folder`.
        """
        try:
            manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
            rules = Rules(**manifest["rules"] | {"models": tuple(manifest["rules"]["models"])})
            return Dataset(
                hash=manifest["hash"],
                folder=folder,
                rows=manifest["rows"],
                episodes=tuple(manifest["episodes"]),
                rules=rules,
                dropped=manifest["dropped"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Refused(
                f"There is no whole dataset in {folder} ({error}): freeze it again with retrain."
            ) from error

    def examples(self) -> list[Example]:
        """The rows.

        Raises:
            Refused: they are not what was frozen.
        """
        try:
            lines = (self.folder / "rows.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        except (OSError, UnicodeDecodeError):
            lines = []
        if _digest(self.rules, lines) != self.hash:
            raise Refused(f"The dataset {self.folder} was changed: delete it and retrain.")
        return [Example(**json.loads(line)) for line in lines]

    def _write(self, lines: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = self.folder / "rows.jsonl"
        rows.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        manifest = asdict(self) | {"format": FORMAT}
        del manifest["folder"]
        write_manifest(self.folder / "manifest.json", manifest)


def _select(episodes: Iterable[Episode], rules: Rules) -> tuple[list[Episode], dict[str, int]]:
    dropped: Counter[str] = Counter()
    kept: dict[str, Episode] = {}
    of_task: Counter[str] = Counter()
    for episode in sorted(episodes, key=lambda e: (len(e.steps), e.id)):
        content = "".join(_line(replace(row, episode="")) for row in examples(episode))
        reason = _unfit(episode, rules)
        if not reason and content in kept:
            reason = "duplicate"
        if not reason and of_task[episode.task] >= rules.per_task:
            reason = "more than enough of its task"
        if reason:
            dropped[reason] += 1
        else:
            kept[content] = episode
            of_task[episode.task] += 1
    return sorted(kept.values(), key=lambda e: (e.task, e.id)), dict(dropped)


_UNFIT: tuple[tuple[str, Callable[[Episode, Rules], bool]], ...] = (
    ("never finished", lambda e, rules: e.stop is None),
    ("a chat without a check", lambda e, rules: not e.task),
    ("held-out task", lambda e, rules: split_of(e.task, rules.heldout) == "heldout"),
    ("other model", lambda e, rules: bool(rules.models) and e.model not in rules.models),
    ("no verdict", lambda e, rules: e.verdict is None),
    ("check unknown", lambda e, rules: e.verdict is not None and e.verdict.outcome == "unknown"),
    ("check failed", lambda e, rules: e.verdict is not None and e.verdict.outcome == "fail"),
    ("stopped by a limit", lambda e, rules: e.stop != "end"),
)


def _unfit(episode: Episode, rules: Rules) -> str | None:
    return next((reason for reason, applies in _UNFIT if applies(episode, rules)), None)


def _digest(rules: Rules, lines: list[str]) -> str:
    text = "\n".join([json.dumps(asdict(rules), sort_keys=True), *lines])
    return hashlib.sha256(text.encode()).hexdigest()


def _line(row: Example) -> str:
    return json.dumps(asdict(row), ensure_ascii=False, sort_keys=False)


def _reasons(dropped: dict[str, int]) -> str:
    counts = sorted(dropped.items(), key=lambda item: -item[1])
    return ", ".join(f"{n} {reason}" for reason, n in counts) or "no episode was collected yet"
