"""How full a model's window is, and what is left out once it is too full."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

from agent.compact import characters, compaction, pinned, seen
from agent.message import Message
from agent.model import Event, Model, ModelError, Notice, Usage
from tools.schema import ToolSchema

LEFT_OUT = (
    "The conversation has become too long for the model: earlier steps are left out of what it "
    "sees, and a list of them is put in their place. The episode keeps them."
)

FULL = 0.85
"""The share of the window above which a history is made shorter: the rest is for the answer."""
_SHRUNK = 0.5
"""The share that a history has afterwards, so that the next time is far."""
_WORTH = 0.1
"""The share of the window that must be won, or else the prefix is lost for nothing."""
_EXACT = 0.6
"""The share up to which an estimate will do."""
_TOKENS = 0.3
"""Tokens a character, until a model has told how many there were."""


def window(model: Model) -> int:
    """The window of a model in tokens, 0 where it is not known.

    Models tell it by an attribute `window`; wrappers of models tell the wrapped one as `inner`.
    """
    return int(getattr(_measurable(model), "window", 0))


def _measurable(model: Model) -> object:
    """The model itself, without the wrappers that know nothing of windows."""
    while not hasattr(model, "window") and hasattr(model, "inner"):
        model = cast("Any", model).inner
    return model


class Fitted:
    """A model that is given what it sees of a history, and that tells when this grows too long."""

    def __init__(self, model: Model) -> None:
        """Serve `model`."""
        self.name = model.name
        self.inner = model
        self._ratio = _TOKENS

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer what is seen of the history.

        Raises:
            ContextFull: that is too long all the same.
            ModelError: from the model.
        """
        used = 0
        async for event in self.inner.stream(seen(messages), tools):
            if isinstance(event, Notice):
                # What broke before had a prompt of its own.
                used = 0
            # It may be told in several pieces.
            used += event.input if isinstance(event, Usage) else 0
            yield event
        self.learn(messages, tools, used)

    def learn(self, messages: Sequence[Message], tools: Sequence[ToolSchema], tokens: int) -> None:
        """Take notice of the tokens that a prompt had; later estimates go by that."""
        if tokens > 0:
            self._ratio = tokens / max(_characters(seen(messages), tools), 1)

    async def tokens(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
        """Tokens of what is seen of a history: counted by the model where it matters and it can.

        An estimate otherwise, which learns from what the last request had.
        """
        shown = seen(messages)
        estimate = round(self._ratio * _characters(shown, tools))
        count: Callable[..., Awaitable[int]] | None = getattr(
            _measurable(self.inner), "count", None
        )
        if count is None or estimate <= _EXACT * window(self.inner):
            return estimate
        try:
            return await count(shown, tools)
        except ModelError:
            return estimate

    async def shorter(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], *, refused: bool = False
    ) -> Message | None:
        """The message of a compaction where one is due; None where there is none.

        Args:
            messages: the history; every call in it has its result.
            tools: the tools that are offered.
            refused: the model said that it is too long.
        """
        if "kept_from" in messages[-1]:
            # It did not help, and would not a second time.
            return None
        size = window(self.inner)
        if not (refused or size):
            return None
        used = await self.tokens(messages, tools)
        if not refused and used <= FULL * size:
            return None
        self.learn(messages, tools, used)
        note = self._note(messages, tools, _SHRUNK * min(size or used, used))
        if note is None or refused:
            return note
        won = characters(seen(messages)) - characters(seen([*messages, note]))
        return note if self._ratio * won >= _WORTH * size else None

    def _note(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], target: float
    ) -> Message | None:
        """The compaction after which a history has about `target` tokens."""
        ratio = max(self._ratio, 1e-3)
        room = target / ratio - _characters(messages[: pinned(messages)], tools)
        return compaction(messages, room)


def _characters(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
    return characters(messages) + len(json.dumps(list(tools), ensure_ascii=False))
