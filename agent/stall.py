"""When a student does not get on: it repeats itself, writes no readable call, guesses, or crawls.

It looks at one turn. Does not cover: a student that does different wrong things with confidence.
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agent.approval import DENIED
from agent.message import Message, calls
from agent.model import Event, Malformed, Stop
from tools.call import Observation, ToolCall

_ENDED = re.compile(r"\[(?:exit code [1-9]|killed|stopped)[^\n]*\]\Z")
_COUNTED = re.compile(r"\b[1-9]\d* failed\b")
"""How tools tell of a failure that is none of their own: in the last line, or in the first."""
_LINE = 300
"""Characters of a line in which that is looked for."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Patience:
    """How much is borne with before a student counts as stalled."""

    calls: int = 2
    """The same calls this many times running."""
    failures: int = 3
    """The same failure this many times in a turn, whatever numbers are in it."""
    unreadable: int = 2
    """Unreadable answers running."""
    confidence: float = 0.4
    """The mean probability of a call's tokens, below which it is a guess."""
    steps: float = 0.75
    """The share of the turn's requests after which what is left is the teacher's."""


@dataclass(frozen=True)
class Stall:
    """Why a student does not get on, and since when."""

    reason: str
    """For people: follows the name of the student."""
    call: str = ""
    """The id of the call with which it began; empty: with its last answer."""

    def message(self, messages: Sequence[Message]) -> Message | None:
        """The answer with which it began; None where there is none."""
        said = [message for message in reversed(messages) if message["role"] == "assistant"]
        began = (m for m in said if any(call.id == self.call for call in calls(m)))
        return next(began, said[0] if said else None)


class Watch:
    """Follows a student for one turn."""

    def __init__(self, patience: Patience, steps: int) -> None:
        """`steps`: requests that the turn may have."""
        self._patience = patience
        self._steps = steps
        self._answers = 0
        self._called = list[ToolCall]()
        self._asked = list[str]()
        self._bad = False
        self._unreadable = 0
        self._sure: float | None = None
        self._failures = defaultdict[str, list[str]](list)
        """Failure to the ids of the calls that ended in it."""

    def hear(self, event: Event | Observation) -> None:
        """Take notice of a part of an answer, or of what came of a call."""
        match event:
            case ToolCall():
                self._called.append(event)
            case Malformed(calls=meant):
                self._called += meant
                self._bad = self._bad or not meant
            case Stop():
                self._answered(event)
            case Observation():
                self._observed(event)
            case _:
                pass

    @property
    def stall(self) -> Stall | None:
        """Why the student does not get on, if it does not."""
        patience, last = self._patience, self._asked[-self._patience.calls :]
        if self._unreadable >= patience.unreadable:
            return Stall(f"wrote calls that cannot be read {self._unreadable} times running")
        if len(last) == patience.calls and last[0] != "[]" and len(set(last)) == 1:
            return Stall(f"asked for the same {patience.calls} times running")
        for ids in self._failures.values():
            if len(ids) >= patience.failures:
                # The first time it was no repetition yet.
                return Stall(f"met the same failure {len(ids)} times", ids[1])
        if self._sure is not None and self._sure < patience.confidence:
            return Stall(f"was not sure of its last call ({self._sure:.0%})")
        if self._answers >= patience.steps * self._steps:
            return Stall(f"has taken {self._answers} of {self._steps} steps")
        return None

    def _answered(self, stop: Stop) -> None:
        asked = [{"name": call.name, "arguments": call.arguments} for call in self._called]
        self._asked.append(json.dumps(asked, sort_keys=True))
        self._unreadable = self._unreadable + 1 if self._bad else 0
        self._sure = stop.confidence if self._called else None
        self._answers += 1
        self._called, self._bad = [], False

    def _observed(self, observation: Observation) -> None:
        text = observation.text
        if text.startswith(DENIED.partition("{")[0]):
            # The user's no, which no other model could change.
            return
        if not observation.ok or failed(text):
            self._failures[_NUMBER.sub("0", text)].append(observation.call_id)


def failed(text: str) -> bool:
    """Whether a tool that worked tells of something that did not."""
    first, last = text[:_LINE].partition("\n")[0], text.rstrip()[-_LINE:].rpartition("\n")[2]
    return bool(_ENDED.search(last) or _COUNTED.search(first))
