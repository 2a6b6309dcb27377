"""A conversation: turns of one agent, every message on disk before the next one is made."""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from agent.agent import Agent
from agent.ahead import ready
from agent.episode import Episode, Step
from agent.limits import EpisodeLimits, Limited, LimitReached
from agent.message import Image, Message, observed, system, unanswered, user, whole
from agent.model import ContextFull, Event, Model, Notice
from agent.prompt import system_prompt
from agent.room import LEFT_OUT, Fitted, window
from agent.router import Escalation, Routed
from agent.store import Store
from agent.task import Task
from sandbox.check import Verdict
from tools.call import Observation, ToolCall

Decide = Callable[[Sequence[ToolCall]], Awaitable[Mapping[str, str]]]
"""Asked for the calls that need a yes; answers call id to reason for those that are denied."""

Listen = Callable[[Event | Observation], None]
"""Told of every piece of an answer and of every tool's result, as they come."""


# A thread lives for one turn; what lasts is the episode. Our limits end a turn, not LangGraph's.
CONFIG: Any = {"configurable": {"thread_id": "turn"}, "recursion_limit": 1_000_000}


async def deny_all(waiting: Sequence[ToolCall]) -> Mapping[str, str]:
    """The decision where nobody can be asked."""
    return {call.id: "nobody is there to approve it" for call in waiting}


def begin(agent: Agent, store: Store, task: Task | None = None) -> Episode:
    """Start an episode on disk: of a task, or of a chat where `task` is None."""
    now = time.time_ns()
    episode = Episode(
        # Sorts by time, and two that start at once still differ.
        id=f"{now:016x}-{secrets.token_hex(3)}",
        task=task.id if task else "",
        digest=task.digest if task else "",
        model=agent.model.name,
        tools=tuple(agent.schemas),
        started=now / 1e9,
    )
    store.begin(episode)
    return episode


@dataclass
class Conversation:
    """Runs turns and records them. One turn at a time."""

    agent: Agent
    store: Store
    episode: Episode
    listen: Listen = lambda event: None
    limits: EpisodeLimits = field(default_factory=EpisodeLimits)
    """Of each turn."""
    escalation: Escalation | None = None
    """On which terms a teacher may finish a turn; None where there is none."""
    _routed: Routed | None = None

    async def ask(self, text: str, decide: Decide = deny_all, images: Sequence[Image] = ()) -> str:
        """Run one turn and return why it ended: `end`, `length`, `refusal` or a limit's name.

        Cancelling ends the turn; calls that had no result by then are answered as interrupted.

        Raises:
            ModelError: the model could not answer. What was said up to then is recorded.
        """
        if not self.episode.steps:
            self._record(Step(system(system_prompt())))
        # A conversation that goes on after a kill may have stopped in the middle of a turn.
        self._answer_open_calls()
        self._record(Step(user(text, images)))
        try:
            return await self._turn(decide)
        except LimitReached as reached:
            return str(reached)
        except ContextFull as full:
            self.listen(Notice(str(full)))
            return "limit: context"
        finally:
            self._answer_open_calls()
            if self.escalation:
                self.escalation.driving = ""

    async def _turn(self, decide: Decide) -> str:
        student, terms = self.agent.model, self.escalation
        self._routed = Routed(student, terms, self.limits.steps) if terms else None
        fitted = self._fitted(self._routed or student)
        limited = Limited(fitted, self.limits)

        async def untimed(waiting: Sequence[ToolCall]) -> Mapping[str, str]:
            with limited.untimed():
                return await decide(waiting)

        async with ready(limited, self.episode.messages, self.agent.schemas) as model:
            while True:
                try:
                    return await self._steps(model, fitted, untimed)
                except ContextFull:
                    # What the provider counts may be more than we took it for.
                    if not await self._shorten(fitted, refused=True):
                        raise

    async def _steps(self, model: Model, fitted: Fitted, decide: Decide) -> str:
        # Loaded with the first turn, not with the prompt.
        from langgraph.types import Command

        from agent.graph import build

        shorten = partial(self._shorten, fitted)
        graph = build(self.agent, model, self._record, self._listen, shorten)
        state: Any = {
            "messages": self.episode.messages,
            "denied": {},
            "final": "",
            "stop": "",
            "trouble": None,
        }
        while True:
            state = await graph.ainvoke(state, CONFIG, durability="exit")
            if "__interrupt__" not in state:
                return str(state["stop"])
            asked = unanswered(self.episode.messages)[:1]
            # Pairs, since LangGraph takes a mapping for answers to several interrupts.
            state = Command(resume=list((await decide(asked)).items()))

    async def compact(self) -> bool:
        """Leave about half of what the model sees out, full or not; whether that could be done."""
        self._answer_open_calls()
        note = await self._shorter(self._fitted(self.agent.model), refused=True)
        return note is not None

    async def context(self) -> tuple[int, int]:
        """The tokens of what the model sees now, and of its window; 0 where that is not known."""
        fitted = self._fitted(self.agent.model)
        return await fitted.tokens(self.episode.messages, self.agent.schemas), window(fitted)

    async def _shorten(self, fitted: Fitted, *, refused: bool = False) -> list[Message]:
        """Record a compaction where one is due, and tell the user."""
        note = await self._shorter(fitted, refused=refused)
        if note:
            self.listen(Notice(LEFT_OUT))
        return [note] if note else []

    async def _shorter(self, fitted: Fitted, *, refused: bool) -> Message | None:
        messages, tools = self.episode.messages, self.agent.schemas
        note = await fitted.shorter(messages, tools, refused=refused)
        return self._record(Step(note)) if note else None

    def _fitted(self, model: Model) -> Fitted:
        """The model, with what was learnt of the size of its prompts."""
        fitted, steps = Fitted(model), self.episode.steps
        told = (n for n in reversed(range(len(steps))) if steps[n].usage.input > 0)
        if (last := next(told, None)) is not None:
            before = self.episode.messages[:last]
            fitted.learn(before, self.agent.schemas, steps[last].usage.input)
        return fitted

    def close(self, stop: str, diff: str = "", verdict: Verdict | None = None) -> Episode:
        """End the episode on disk and return it whole."""
        seconds = time.time() - self.episode.started
        self.store.finish(self.episode.id, stop, diff, seconds, verdict)
        self.episode = replace(self.episode, stop=stop, diff=diff, seconds=seconds, verdict=verdict)
        return self.episode

    def _listen(self, event: Event | Observation) -> None:
        if self._routed and isinstance(event, Observation):
            self._routed.hear(event)
        self.listen(event)

    def _record(self, step: Step) -> Message:
        step = replace(step, message=whole(step.message))
        if step.message["role"] == "assistant" and self.agent.model.name != self.episode.model:
            # The user changed the model, or a newer version of it came.
            step = replace(step, model=step.model or self.agent.model.name)
        self.store.append(self.episode.id, len(self.episode.steps), step)
        self.episode = replace(self.episode, steps=(*self.episode.steps, step))
        return step.message

    def _answer_open_calls(self) -> None:
        """Providers refuse a history in which a call has no result."""
        for call in unanswered(self.episode.messages):
            ended = Observation(call.id, call.name, "Interrupted before it ended.", ok=False)
            self._record(Step(observed(ended)))
