"""A tool call as a model asked for it, and what came of it."""

from dataclasses import dataclass, field
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
"""Whatever JSON can say."""


@dataclass(frozen=True)
class ToolCall:
    """One call. Arguments are as the model gave them: not validated yet."""

    id: str
    name: str
    arguments: dict[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True)
class Observation:
    """What the model is shown of a call's result."""

    call_id: str
    name: str
    text: str
    ok: bool = True
    truncated: bool = False
    final: str = ""
    """The answer with which the call ended the turn; mostly empty."""


class Final(str):
    """What a tool returns to end the turn with this answer."""

    __slots__ = ()


class ToolError(Exception):
    """A call that did not work; its text becomes the observation, so it speaks to the model."""
