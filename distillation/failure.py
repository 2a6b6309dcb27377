"""Why an episode failed: one kind of a short list, the step at which it shows, and the evidence.

It reads what the episode recorded and what its check said; no model judges. Does not cover: why a
model took the wrong way, and failures of what was asked for in words only.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.episode import Episode
from agent.message import calls

KINDS = ("changed nothing", "broke the program", "false claim", "wrong repair")
"""In the order in which they are looked for: the first that fits is the kind.

- `changed nothing`: no file is another one than before.
- `broke the program`: what was written cannot be read or lacks a name that it had.
- `false claim`: it ended by itself although the check fails.
- `wrong repair`: it tried until a limit or a loop ended it, and the check fails.
"""
_BROKEN = re.compile(r"\b(SyntaxError|IndentationError|TabError|NameError|ImportError)\b")
_TOLD = re.compile(r"^(?:E  |\w*(?:Error|Exception)\b).*", re.MULTILINE)
WRITING = frozenset(("write_file", "edit_file", "edit_files"))
"""The tools that change files."""
_LONGEST = 300


@dataclass(frozen=True)
class Failure:
    """What went wrong in one episode."""

    episode: str
    """Its id."""
    step: int
    """Index of the message at which it shows: the last writing, or else the last answer."""
    kind: str
    """One of `KINDS`."""
    evidence: str
    """What the check said of it: a line, at most 300 characters."""


def failure(episode: Episode) -> Failure | None:
    """The failure of an episode whose check failed; None for every other episode."""
    if episode.verdict is None or episode.verdict.outcome != "fail":
        return None
    told = "\n".join(episode.verdict.failures)
    return Failure(episode.id, _step(episode), _kind(episode, told), _evidence(told))


def failures(episodes: Iterable[Episode]) -> list[Failure]:
    """The failures among these episodes, in their order."""
    return [found for episode in episodes if (found := failure(episode))]


def _kind(episode: Episode, told: str) -> str:
    if not episode.diff.strip():
        return "changed nothing"
    if _BROKEN.search(told):
        return "broke the program"
    return "false claim" if episode.stop == "end" else "wrong repair"


def _step(episode: Episode) -> int:
    answers = [n for n, m in enumerate(episode.messages) if m["role"] == "assistant"]
    wrote = [n for n in answers if any(c.name in WRITING for c in calls(episode.messages[n]))]
    return (wrote or answers or [0])[-1]


def _evidence(told: str) -> str:
    """The last line that names an error or a claim, or else one that explains, or else any."""
    lines = _TOLD.findall(told)
    named = [line for line in lines if "Error" in line or "assert " in line]
    return (named or lines or told.strip().splitlines() or [""])[-1].strip()[:_LONGEST]
