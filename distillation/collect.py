"""Collecting: a teacher on many tasks at once, resumable, under a money cap."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from agent.episode import Episode
from agent.limiter import Limiter, Throttled
from agent.limits import Budget, Budgeted, EpisodeLimits
from agent.message import Message
from agent.model import Event, Model, Retry
from agent.store import Store
from agent.task import Task
from distillation.lock import alone
from distillation.rollout import Rollout, rollout
from sandbox.refused import Refused
from tools.schema import ToolSchema

BUSY = "Another `assistant collect` is under way in this home: wait for it, or stop it."
ERRORS_IN_A_ROW = 5
"""A teacher that fails this often running is down; going on would only make noise."""


@dataclass(frozen=True)
class Progress:
    """How far a collection is, for people to look at."""

    total: int
    """Tasks."""
    outcomes: dict[str, int]
    """Verdicts so far, those of earlier runs included: `pass`, `fail`, `unknown`."""
    errors: int
    """Rollouts without a verdict: the model could not answer. The next run tries them again."""
    cost: float
    """US dollars spent by this run."""
    rate: float
    """Tasks a second in this run."""
    last: Episode | None = None
    """The episode that just ended."""
    stopped: str = ""
    """Why the run ended early."""
    pause: str = ""
    """Why a request is made again, and when; of the newest one that just failed."""

    @property
    def done(self) -> int:
        """Tasks that have a verdict."""
        return sum(self.outcomes.values())

    @property
    def eta(self) -> float | None:
        """Seconds to go; None before the first task ended."""
        return (self.total - self.done) / self.rate if self.rate else None


@dataclass
class Collection:
    """One run over a set of tasks. A finished task is on disk the moment it is finished."""

    tasks: Sequence[Task]
    teacher: Callable[[Task], Model]
    store: Store
    jobs: int = 2
    tries: int = 1
    """How often a task is tried until its check passes: more than once is of use with a teacher
    that answers differently each time (rejection sampling)."""
    cost: float | None = None
    """US dollars that this run may spend; overrun by no more than the requests in flight."""
    limits: EpisodeLimits = field(default_factory=EpisodeLimits)
    tell: Callable[[Progress], None] = lambda progress: None
    play: Rollout = rollout

    async def run(self) -> Progress:
        """Run the teacher on every task that has no verdict of it yet; return the last progress.

        Killed at any moment, the next run goes on; a task with a verdict is not run again.

        Raises:
            Refused: no sandbox, a task that the teacher cannot take, a teacher that is down, or
                another collection that is under way.
        """
        with alone(self.store.path.with_name("collect.lock"), BUSY):
            todo = self._plan()
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self.jobs):
                        group.create_task(self._work(todo))
            except* (Refused, OSError) as failed:
                raise failed.exceptions[0] from None
        return self._progress()

    def _plan(self) -> Iterator[tuple[Task, Model, int]]:
        """What is left to do: tasks, who plays them, and how often each may still be tried."""
        self._began = time.monotonic()
        self._outcomes, self._fresh, self._errors, self._errors_running = Counter[str](), 0, 0, 0
        self._budget, self._stopped = Budget(self.cost), ""
        limiters = defaultdict[str, Limiter](lambda: Limiter(self.jobs))
        pairs = [(task, self.teacher(task)) for task in self.tasks]
        judged = {name: self.store.judged(name) for name in {model.name for _, model in pairs}}
        todo: list[tuple[Task, Model, int]] = []
        for task, model in pairs:
            self.store.remember(task)
            outcomes = judged[model.name].get(task.digest, [])
            if "pass" in outcomes or len(outcomes) >= self.tries:
                self._outcomes["pass" if "pass" in outcomes else "fail"] += 1
            else:
                provider = model.name.partition(":")[0]
                # Money is looked at when a place is free, and not while others still spend.
                paid = Budgeted(model, self._budget)
                held = Throttled(paid, limiters[provider])
                todo.append((task, _Heard(held, self._paused), self.tries - len(outcomes)))
        return iter(todo)

    async def _work(self, todo: Iterator[tuple[Task, Model, int]]) -> None:
        for task, model, tries in todo:
            for left in reversed(range(tries)):
                if self._stopped:
                    return
                episode = await self.play(task, model, self.store, self.limits)
                failed = episode.verdict is not None and episode.verdict.outcome == "fail"
                if not (failed and left):
                    self._ended(episode)
                    break

    def _ended(self, episode: Episode) -> None:
        if episode.verdict:
            self._outcomes[episode.verdict.outcome] += 1
            self._fresh += 1
            self._errors_running = 0
        elif (episode.stop or "").startswith("budget"):
            self._stopped = (
                "No price is known for this teacher, so no budget can be held: leave --cost out."
                if self._budget.unpriced
                else f"The budget of ${self.cost:.2f} is used up: raise --cost to go on."
            )
        else:
            self._errors += 1
            self._errors_running += 1
            if self._errors_running == ERRORS_IN_A_ROW:
                raise Refused(
                    f"The teacher failed {ERRORS_IN_A_ROW} times running, the last time with "
                    f"{episode.stop!r}: mend that and collect again, nothing is lost."
                )
        self.tell(self._progress(episode))

    def _paused(self, retry: Retry) -> None:
        self.tell(replace(self._progress(), pause=retry.text))

    def _progress(self, last: Episode | None = None) -> Progress:
        rate = self._fresh / max(time.monotonic() - self._began, 1e-9)
        return Progress(
            *(len(self.tasks), dict(self._outcomes), self._errors),
            *(self._budget.spent, rate, last, self._stopped),
        )


class _Heard:
    """A model whose pauses are told of; all else of an answer is nobody's concern here."""

    def __init__(self, model: Model, tell: Callable[[Retry], None]) -> None:
        self.name = model.name
        self.inner = model
        self._tell = tell

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        async for event in self.inner.stream(messages, tools):
            if isinstance(event, Retry):
                self._tell(event)
            yield event
