"""The demo's page: what the student solved before and after, how it learnt, and how it fails.

One file that needs nothing else. What models and programs wrote is shown as text, never as markup.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from agent.episode import Episode
from agent.message import Message, calls
from assistant.untrusted import neutral
from distillation.failure import KINDS, Failure, failures
from training.scorecard import Scorecard

_LONGEST = 4000
"""Characters of a message that are shown."""
_CHART = (50.0, 850.0, 12.0, 226.0)
"""Of the loss: left, right, top, bottom."""


@dataclass(frozen=True)
class Family:
    """Tasks of one kind, and how the student did on them before and after."""

    name: str
    words: str
    before: Scorecard
    after: Scorecard


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    title: str
    lead: str
    decision: str
    families: Sequence[Family]
    curve: Sequence[Mapping[str, float]]
    """Of the adapter's manifest: `step` with `loss` or `eval_loss`."""
    before: Sequence[Episode]
    after: Sequence[Episode]
    facts: Sequence[tuple[str, str]]

    def page(self) -> str:
        """The page, as HTML."""
        # Comes with llama.cpp: without the `local` extra there is no demo.
        from jinja2 import Environment  # noqa: PLC0415

        text = files("assistant").joinpath("report.html").read_text(encoding="utf-8")
        template = Environment(autoescape=True).from_string(text)
        found = failures(self.before), failures(self.after)
        return template.render(
            title=self.title,
            lead=self.lead,
            decision=self.decision,
            bars=[_bars(family) for family in self.families],
            curve=_curve(self.curve),
            kinds=list(_kinds(*found)),
            facts=self.facts,
            samples=list(_samples(self, *found)),
        )


def _bars(family: Family) -> dict[str, Any]:
    cards = (("before", "old", family.before), ("after", "new", family.after))
    rows = [
        {
            "label": label,
            "kind": kind,
            "rate": 100 * card.rate,
            "low": 100 * card.interval[0],
            "high": 100 * card.interval[1],
            "text": f"{card.solved}/{card.judged}",
        }
        for label, kind, card in cards
    ]
    return {"name": family.name, "words": family.words, "rows": rows}


def _curve(entries: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Two lines in the chart's own units, on one scale that begins at 0."""
    left, right, top, bottom = _CHART
    steps = max((entry["step"] for entry in entries), default=1) or 1
    values = [entry[name] for entry in entries for name in ("loss", "eval_loss") if name in entry]
    highest = max(values, default=1.0) or 1.0

    def height(value: float) -> float:
        return round(bottom - (bottom - top) * value / highest, 1)

    def line(name: str) -> str:
        known = [entry for entry in entries if name in entry]
        places = (
            (round(left + (right - left) * entry["step"] / steps, 1), height(entry[name]))
            for entry in known
        )
        return " ".join(f"{x},{y}" for x, y in places)

    ticks = [{"y": height(highest * n / 4), "text": f"{highest * n / 4:.2g}"} for n in range(5)]
    return {
        "steps": round(steps),
        "ticks": ticks,
        "trained": line("loss"),
        "unseen": line("eval_loss"),
    }


def _kinds(before: Sequence[Failure], after: Sequence[Failure]) -> Iterator[dict[str, Any]]:
    old, new = (Counter(failure.kind for failure in found) for found in (before, after))
    for kind in KINDS:
        yield {"kind": kind, "before": old[kind], "after": new[kind]}
    yield {"kind": "all", "before": old.total(), "after": new.total()}


def _samples(
    report: Report, before: Sequence[Failure], after: Sequence[Failure]
) -> Iterator[dict[str, Any]]:
    """An episode that was learnt, and the first failure of each kind, new ones first."""
    failed = {episode.digest for episode in report.before if not _passed(episode)}
    learnt = [e for e in report.after if _passed(e) and e.digest in failed]
    yield from (_sample(e, "solved, and was not before", "pass") for e in learnt[:1])
    episodes = {episode.id: episode for episode in (*report.after, *report.before)}
    for kind in KINDS:
        for when, found in (("after", after), ("before", before)):
            mine = [failure for failure in found if failure.kind == kind]
            if mine:
                title = f"{kind} ({when} training): {neutral(mine[0].evidence)}"
                yield _sample(episodes[mine[0].episode], title, "fail")
                break


def _passed(episode: Episode) -> bool:
    return episode.verdict is not None and episode.verdict.passed


def _sample(episode: Episode, title: str, mark: str) -> dict[str, Any]:
    told = "\n".join(episode.verdict.failures) if episode.verdict else ""
    return {
        "title": title,
        "mark": mark,
        "task": episode.task,
        "turns": [_turn(message) for message in episode.messages if message["role"] != "system"],
        "verdict": neutral(told.strip()[-_LONGEST:]) or "passes",
    }


def _turn(message: Message) -> dict[str, str]:
    lines = [message["content"]] if message["content"] else []
    for call in calls(message):
        lines.append(f"→ {call.name}")
        lines += [f"{name}: {value}" for name, value in call.arguments.items()]
    who = {"assistant": "student", "tool": message.get("name", "tool")}
    return {
        "who": neutral(who.get(message["role"], message["role"])),
        "text": neutral("\n".join(lines)[:_LONGEST]) or "(nothing)",
    }
