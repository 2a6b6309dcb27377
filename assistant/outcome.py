"""What a demo came to: two families before and after, in a sentence, and as a page to look at."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from agent.episode import Episode
from agent.store import Store
from assistant.board import Board
from assistant.demo import KNOWN, NEW, Demo
from assistant.report import Family, Report
from training.registry import Registry
from training.retrain import Outcome
from training.scorecard import Scorecard

_WORDS = {
    NEW: ("a family it never saw", "counting and keeping, dictionaries"),
    KNOWN: ("the family it knows", "functions on numbers, texts, lists"),
}


def families(outcome: Outcome) -> list[Family]:
    """The new family and the known one, with their part of both scorecards."""
    found: list[Family] = []
    for family, (name, words) in _WORDS.items():
        ids = {r.task for r in outcome.old.results if r.task.startswith(f"{family}/")}
        found.append(Family(name, words, outcome.old.of(ids), outcome.new.of(ids)))
    return found


def sentence(outcome: Outcome) -> str:
    """The figures of the new family, and whether the known one was kept."""
    new, known = families(outcome)
    return (
        f"On {new.name} the student solved {new.before} before and {new.after} after one "
        f"retraining; on {known.name} {known.before} and {known.after}."
    )


def report(
    outcome: Outcome, store: Store, registry: Registry, demo: Demo, seconds: float, resumed: bool
) -> Report:
    """The page of a demo, from what is in its home.

    `seconds`: of this process, in which a `resumed` one did not do everything.
    """
    new, _ = families(outcome)
    version = outcome.version
    manifest = registry.path(version.id) / "adapter" / "manifest.json"
    curve: list[dict[str, float]] = json.loads(manifest.read_text(encoding="utf-8"))["curve"]
    return Report(
        title=f"{_share(new.before)} before, {_share(new.after)} after one retraining",
        lead=sentence(outcome),
        decision=f"The gate: {outcome.decision.sentence}",
        families=families(outcome),
        curve=[{"step": 0, "eval_loss": version.figures["eval_loss_before"]}, *curve],
        before=list(_episodes(outcome.old, store)),
        after=list(_episodes(outcome.new, store)),
        facts=[
            *_facts(outcome, registry),
            *_times(outcome, demo.board),
            ("since it was resumed" if resumed else "all of it", f"{seconds:.0f} s"),
            ("seed", str(demo.seed)),
        ],
    )


def _share(card: Scorecard) -> str:
    return f"{100 * card.rate:.0f} %"


def _episodes(card: Scorecard, store: Store) -> Iterator[Episode]:
    """Those of the new family."""
    for result in card.results:
        if result.task.startswith(f"{NEW}/"):
            yield store.episode(result.episode)


def _facts(outcome: Outcome, registry: Registry) -> Iterator[tuple[str, str]]:
    version = outcome.version
    base: Any = registry.version(version.base)
    figures = version.figures
    yield "the student", f"{base.files['base'].bytes / 1e6:.1f} MB"
    yield "the adapter", f"{version.files['adapter'].bytes / 1e6:.1f} MB"
    yield "episodes learnt from", f"{outcome.dataset.rows}"
    yield "tokens, of them trained", f"{figures['tokens']:,.0f}, {figures['trained_tokens']:,.0f}"
    yield "seconds a task, two at a time, with its check", " and ".join(_seconds(outcome))


def _times(outcome: Outcome, board: Board) -> Iterator[tuple[str, str]]:
    """What each stage took, in this process."""
    before = f"{outcome.old.model}:"
    for row in board.rows:
        name = row.name
        if name == "evaluate":
            # Not by their order: the first may be of an earlier run.
            name = "judge, before" if row.text.startswith(before) else "judge, after"
        if row.took is not None and row.took >= 1:
            yield name, f"{row.took:.0f} s"


def _seconds(outcome: Outcome) -> Sequence[str]:
    cards = (outcome.old, outcome.new)
    return [f"{median(r.seconds for r in card.results):.1f}" for card in cards]


def write(page: Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(page.page(), encoding="utf-8")
    part.rename(path)
