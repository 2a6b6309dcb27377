"""What ends a turn: limits on steps, tokens, money, time and repetition, as wrappers of a model."""

import json
import time
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from agent.message import Message
from agent.model import Author, Event, Malformed, Model, Retry, Usage
from tools.schema import ToolSchema


class LimitReached(Exception):
    """A limit ended the turn; `str()` names it as the episode's stop reason."""


@dataclass(frozen=True)
class EpisodeLimits:
    """Caps for one turn (an episode of a task has one turn)."""

    steps: int = 40
    """Requests to the model."""
    tokens: int = 2_000_000
    """Prompt and answer tokens, summed over requests."""
    seconds: float = 1800.0
    """Without what the user took to say yes or no."""
    cost: float | None = None
    """US dollars."""
    repeats: int = 3
    """The same answer, or an unreadable call, this many times running."""


class Limited:
    """A model that raises `LimitReached` instead of answering once a limit is used up."""

    def __init__(self, model: Model, limits: EpisodeLimits) -> None:
        """Count from now on."""
        self.name = model.name
        self.inner = model
        self._limits = limits
        self._started = time.monotonic()
        self._steps = 0
        self._usage = Usage()
        self._unreadable = 0
        self._before: int | None = None
        """Messages of earlier turns, or of another model that drove this one."""

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer, counting.

        Raises:
            LimitReached: before the request, or the repetition of one, that would go over a limit.
        """
        if self._before is None:
            self._before = len(messages)
        if reason := self._used_up(messages):
            raise LimitReached(reason)
        self._steps += 1
        unreadable = self._unreadable
        async for event in self.inner.stream(messages, tools):
            if isinstance(event, Malformed) and not event.calls:
                self._unreadable = unreadable + 1
            if isinstance(event, Author) and event.stalled:
                self._before, self._unreadable, unreadable = len(messages), 0, 0
            self._pay(event)
            yield event
        if self._unreadable == unreadable:
            self._unreadable = 0

    @contextmanager
    def untimed(self) -> Generator[None]:
        """What happens meanwhile is not the turn's time: somebody makes up their mind."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._started += time.monotonic() - began

    def _pay(self, event: Event) -> None:
        """Count what was used; a try that broke was paid for, too, and another one may be dear."""
        if isinstance(event, Usage):
            self._usage += event
        if isinstance(event, Retry) and (reason := self._spent()):
            raise LimitReached(reason)

    def _used_up(self, messages: Sequence[Message]) -> str | None:
        limits = self._limits
        reached = {
            "limit: steps": self._steps >= limits.steps,
            "limit: unreadable calls": self._unreadable >= limits.repeats,
            "limit: repeated calls": _repeated(messages[self._before :], limits.repeats),
        }
        return next((name for name, is_reached in reached.items() if is_reached), self._spent())

    def _spent(self) -> str | None:
        limits, usage = self._limits, self._usage
        reached = {
            "limit: tokens": usage.input + usage.output >= limits.tokens,
            "limit: seconds": time.monotonic() - self._started >= limits.seconds,
            "limit: cost": limits.cost is not None and (usage.cost or 0.0) >= limits.cost,
            "limit: cost, no price known": limits.cost is not None and usage.cost is None,
        }
        return next((name for name, is_reached in reached.items() if is_reached), None)


def _repeated(messages: Sequence[Message], times: int) -> bool:
    """Whether the last `times` assistant turns asked for the very same calls."""
    asked = [
        json.dumps([entry["function"] for entry in message.get("tool_calls", [])], sort_keys=True)
        for message in messages
        if message["role"] == "assistant"
    ][-times:]
    return len(asked) == times and len(set(asked)) == 1 and asked[0] != "[]"


class Budget:
    """Money that several conversations share. Not for several processes."""

    def __init__(self, cap: float | None) -> None:
        """`cap` in US dollars; None is no cap."""
        self.cap = cap
        self.spent = 0.0
        self.unpriced = False
        """Something was used whose price is not known."""

    @property
    def used_up(self) -> bool:
        """Nothing may be spent any more."""
        return self.cap is not None and (self.spent >= self.cap or self.unpriced)

    def check(self) -> None:
        """Nothing, as long as there is money.

        Raises:
            LimitReached: it is used up, or cannot be held because a price is unknown.
        """
        if self.used_up:
            raise LimitReached("budget: no price known" if self.unpriced else "budget")


class Budgeted:
    """A model that spends from a shared budget; over by no more than the requests in flight."""

    def __init__(self, model: Model, budget: Budget) -> None:
        """Spend on `model` from `budget`."""
        self.name = model.name
        self.inner = model
        self._budget = budget

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer, and book what it cost.

        Raises:
            LimitReached: the budget is used up, or cannot be held because a price is unknown.
        """
        self._budget.check()
        async for event in self.inner.stream(messages, tools):
            if isinstance(event, Usage):
                self._budget.spent += event.cost or 0.0
                self._budget.unpriced |= event.cost is None
            if isinstance(event, Retry):
                # A try that broke was paid for, too.
                self._budget.check()
            yield event
