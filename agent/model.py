"""The seam behind which every driver of the agent sits, and the fold of its events."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.message import Message, assistant
from tools.call import JSON, ToolCall
from tools.schema import ToolSchema

StopReason = Literal["end", "calls", "length", "refusal"]


class ModelError(Exception):
    """The model could not answer; the text is one sentence for people, without secrets."""


class ContextFull(ModelError):
    """The conversation does not fit into the model's window: a limit, and no fault."""


@dataclass(frozen=True)
class Text:
    """A piece of the answer, to be shown as it comes."""

    text: str


@dataclass(frozen=True)
class Thinking:
    """A piece of reasoning that is shown but is not part of the answer."""

    text: str


@dataclass(frozen=True)
class Malformed:
    """A tool call that could not be read."""

    text: str
    """What the model wrote, verbatim."""
    reason: str
    calls: tuple[ToolCall, ...] = ()
    """What it means with its slips forgiven; none where that is not known."""


@dataclass(frozen=True)
class Usage:
    """What one request cost. Tokens; `cost` in US dollars, None where no price is known."""

    input: int = 0
    """All prompt tokens, cached ones included."""
    output: int = 0
    cached: int = 0
    """Prompt tokens that were read from a cache instead of being evaluated."""
    cost: float | None = 0.0
    reasoning: int = 0
    """Output tokens that went into reasoning, where the provider tells."""

    @property
    def evaluated(self) -> int:
        """Prompt tokens that were not in a cache: with `cached` the meter of the prefix."""
        return max(self.input - self.cached, 0)

    @property
    def reused(self) -> float:
        """The share of the prompt that was read from a cache, 0 to 1; 0 where none was sent."""
        return min(self.cached / self.input, 1.0) if self.input else 0.0

    def __add__(self, other: "Usage") -> "Usage":
        """The sum; an unknown price makes the sum's price unknown."""
        known = self.cost is not None and other.cost is not None
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            (self.cost or 0.0) + (other.cost or 0.0) if known else None,
            self.reasoning + other.reasoning,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        """What is still to be counted where `other` was counted already; may be below zero."""
        known = self.cost is not None and other.cost is not None
        return Usage(
            self.input - other.input,
            self.output - other.output,
            self.cached - other.cached,
            (self.cost or 0.0) - (other.cost or 0.0) if known else None,
            self.reasoning - other.reasoning,
        )


@dataclass(frozen=True)
class Stop:
    """Why the model stopped; the last event of a stream, always sent."""

    reason: StopReason
    provider: dict[str, JSON] | None = None
    """What goes into the message's `provider` field."""
    confidence: float | None = None
    """How likely the model held the tokens of its calls, on average; None where that is unknown."""


@dataclass(frozen=True)
class Notice:
    """Something that the user should know. Said by us: no part of the answer."""

    text: str


@dataclass(frozen=True)
class Retry(Notice):
    """The request failed before anything was said, and is repeated after a pause."""

    seconds: float
    """The pause."""
    overloaded: bool
    """The provider wants fewer requests: 429, 529, or words to that effect."""


@dataclass(frozen=True)
class Author:
    """Another model than the conversation's own gives this answer."""

    model: str
    """Its name."""
    stalled: Message | None = None
    """On its first answer: the message of the other one with which it stopped getting on."""


Event = Text | Thinking | ToolCall | Malformed | Usage | Notice | Author | Stop


class Required(tuple[ToolSchema, ...]):
    """Tools of which the answer must call one: models that can be held to that are.

    Those tell it by an attribute `requires`. Others take it for any other sequence of tools.
    """

    __slots__ = ()


class Model(Protocol):
    """Drives the agent. One model is used by one conversation at a time unless it says more."""

    name: str
    """As recorded in episodes: provider and model, e.g. `anthropic:claude-sonnet-4-5`."""

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer the conversation; the iterator ends after `Stop`.

        Raises:
            ModelError: no answer could be had, after whatever retries make sense.
        """
        ...


class Measured(Protocol):
    """What a model offers besides, where it knows its window and can count before it is asked."""

    @property
    def window(self) -> int:
        """How many tokens prompt and answer may have together; 0 where that is not known."""
        ...

    async def count(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
        """The tokens of a prompt, exactly. May take a request, so ask near the window only.

        Raises:
            ModelError: it cannot be counted now.
        """
        ...


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    message: Message
    malformed: Malformed | None
    """The first call that could not be read."""
    usage: Usage
    stop: StopReason
    mended: Message | None = None
    """Instead of a message with malformed calls: where it is known what each of them means."""
    author: Author | None = None
    """Another model than the one that was asked."""


async def answer(
    model: Model,
    messages: Sequence[Message],
    tools: Sequence[ToolSchema],
    listen: Callable[[Event], None] = lambda event: None,
) -> Reply:
    """Fold a model's stream into one reply, telling `listen` of each event as it comes.

    Where one call cannot be read, the message has none: what was meant is not known, so no other
    call of the same answer may run, and every call in a history needs its result.

    Raises:
        ModelError: from the model, or because its stream ended without a `Stop`.
    """
    events: list[Event] = []
    async for event in model.stream(messages, tools):
        listen(event)
        events.append(event)
    if not events or not isinstance(stop := events[-1], Stop):
        raise ModelError(f"{model.name} stopped in the middle of its answer.")
    text = "".join(event.text for event in events if isinstance(event, Text))
    bad = [event for event in events if isinstance(event, Malformed)]
    message = assistant(text, [call for event in events for call in _calls(event)])
    if stop.provider:
        message["provider"] = stop.provider
    mended = message if bad and all(event.calls for event in bad) else None
    if bad:
        message = assistant(text + "\n".join(event.text for event in bad))
    usage = sum((event for event in events if isinstance(event, Usage)), Usage())
    author = next((event for event in events if isinstance(event, Author)), None)
    return Reply(message, bad[0] if bad else None, usage, stop.reason, mended, author)


def _calls(event: Event) -> tuple[ToolCall, ...]:
    """What an event brings of calls."""
    if isinstance(event, ToolCall):
        return (event,)
    return event.calls if isinstance(event, Malformed) else ()
