"""An episode: everything that one run of the agent left behind."""

from dataclasses import dataclass, field

from agent.message import Message
from agent.model import Usage
from sandbox.check import Verdict
from tools.schema import ToolSchema

SCHEMA = 1
"""Version of the stored form; readers refuse what is newer."""


@dataclass(frozen=True)
class Step:
    """One message as it was appended, with what it took."""

    message: Message
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    trained: bool = True
    """False for assistant turns that must not be imitated (unreadable calls, stalled steps)."""
    model: str = ""
    """Who made the message; empty: the episode's model."""
    repair: str = ""
    """What made or corrected the message, where it is not the model's own first answer."""
    corrects: int | None = None
    """Index of the first of the bad answers that this one puts right: see agent/corrections.py."""


@dataclass(frozen=True)
class Episode:
    """One run of the agent. `stop` is None while it runs, or for ever if it was killed."""

    id: str
    task: str
    """The task's id, or an empty text for a chat."""
    digest: str
    """The task's digest at that time."""
    model: str
    tools: tuple[ToolSchema, ...]
    started: float
    """Seconds since the epoch."""
    steps: tuple[Step, ...] = ()
    stop: str | None = None
    """`end`, a limit's name, `interrupted`, or `error: …`."""
    diff: str = ""
    seconds: float = 0.0
    verdict: Verdict | None = None
    schema: int = SCHEMA

    @property
    def messages(self) -> list[Message]:
        """The conversation, system message first."""
        return [step.message for step in self.steps]

    @property
    def usage(self) -> Usage:
        """The sum over all steps."""
        return sum((step.usage for step in self.steps), Usage())
