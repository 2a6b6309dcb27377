"""Escalation: a student drives, and where it does not get on a teacher takes over in place.

The teacher goes on with the very same history and tools, and drives to the end of the turn: it has
just read all of it, and the student would stall where it stalled before. The next turn begins with
the student again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent.limits import Budget, Budgeted, LimitReached
from agent.message import Message
from agent.model import Author, ContextFull, Event, Model, ModelError, Notice, Usage
from agent.stall import Patience, Stall, Watch
from sandbox.refused import Refused
from tools.call import Observation
from tools.schema import ToolSchema
from tools.tool import Ask, nobody

When = Literal["never", "ask", "always"]
"""Whether a teacher takes over by itself: not at all, after the user's yes, or at once."""

_BY_HAND = Stall("hands over, as you wanted")


class Closable(Model, Protocol):
    """A model that holds connections or memory."""

    async def close(self) -> None:
        """Let go of them."""
        ...


@dataclass
class Escalation:
    """On which terms a teacher may take over, for a whole session."""

    teacher: str
    """Its name, as the user writes it."""
    open: Callable[[], Awaitable["Closable"]]
    """Opens it, when it is first needed; raises Refused."""
    when: When = "ask"
    budget: Budget = field(default_factory=lambda: Budget(None))
    """What it may spend; overrun by no more than one request."""
    ask: Ask = nobody
    patience: Patience = field(default_factory=Patience)
    by_hand: bool = False
    """The user wants it to drive the next turn, whatever `when` says."""
    driving: str = ""
    """The name of the teacher, while it drives."""
    _model: "Closable | None" = None

    async def model(self) -> Model:
        """The teacher, held to its budget.

        Raises:
            Refused: it cannot be opened.
        """
        self._model = self._model or await self.open()
        return Budgeted(self._model, self.budget)

    async def close(self) -> None:
        """Let go of the teacher; it is opened again if it is needed again."""
        model, self._model = self._model, None
        if model:
            await model.close()

    async def agreed(self, what: str) -> bool:
        """Whether it may take over now, after `what`; the user may have to be asked."""
        if self.when == "always":
            return True
        left = None if self.budget.cap is None else self.budget.cap - self.budget.spent
        money = (
            "There is no limit on what it costs." if left is None else f"It may cost ${left:.2f}."
        )
        answer = await self.ask(
            f"{what}. May {self.teacher} take over for this turn? {money}",
            ["yes", "no"],
        )
        return answer.strip().lower() in ("y", "yes")


class Routed:
    """A student whose turn a teacher may finish. One instance per turn.

    Told of observations by `hear`; all else it sees in passing.
    """

    def __init__(self, student: Model, escalation: Escalation, steps: int) -> None:
        """`steps`: requests that the turn may have."""
        self.name = student.name
        self.inner = student
        """Who drives."""
        self._student = student
        self._terms = escalation
        self._watch = Watch(escalation.patience, steps)
        self._settled = False
        """The student keeps the rest of the turn."""
        self._stalled: Message | None = None
        """Where the student stalled, until the teacher has begun."""

    def hear(self, observation: Observation) -> None:
        """Take notice of what came of a call."""
        self._watch.hear(observation)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer, by the one or the other; an `Author` comes before what the teacher says.

        Raises:
            ModelError: from whoever drives; a teacher that cannot even begin hands back instead.
        """
        if self.inner is self._student and (stall := self._stall()):
            notice = await self._hand_over(stall)
            self._stalled = None if stall is _BY_HAND else stall.message(messages)
            yield Notice(notice)
        if self.inner is not self._student:
            begun = False
            try:
                async for event in self.inner.stream(messages, tools):
                    if not begun and not isinstance(event, Usage | Notice):
                        begun = True
                        stalled, self._stalled = self._stalled, None
                        yield Author(self.inner.name, stalled)
                    yield event
                return
            except (LimitReached, ModelError) as error:
                if begun or isinstance(error, ContextFull):
                    raise
                yield Notice(self._hand_back(error))
        async for event in self._student.stream(messages, tools):
            self._watch.hear(event)
            yield event

    def _stall(self) -> Stall | None:
        if self._terms.by_hand:
            return _BY_HAND
        return None if self._settled or self._terms.when == "never" else self._watch.stall

    async def _hand_over(self, stall: Stall) -> str:
        """Let the teacher drive if it may; the line that says what came of it."""
        terms = self._terms
        what, by_hand = f"{self.name} {stall.reason}", terms.by_hand
        self._settled, terms.by_hand = True, False
        if terms.budget.used_up:
            return f"{what}; {self._spent()}"
        try:
            if not by_hand and not await terms.agreed(what):
                return f"{what}; it goes on, since {terms.teacher} may not take over"
            self.inner = await terms.model()
        except Refused as error:
            return f"{what}; {terms.teacher} cannot take over: {error}"
        terms.driving = self.inner.name
        return f"{what}: {terms.driving} takes over until the end of the turn"

    def _hand_back(self, error: Exception) -> str:
        terms, self.inner = self._terms, self._student
        terms.driving = ""
        why = self._spent() if isinstance(error, LimitReached) else str(error)
        return f"{self.name} drives again: {why}"

    def _spent(self) -> str:
        budget, teacher = self._terms.budget, self._terms.teacher
        if budget.unpriced:
            return f"no price is known for {teacher}, so no limit on its cost can be held"
        return f"the ${budget.cap or 0:.2f} that {teacher} may cost are used up"
