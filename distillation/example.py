"""A training example: a conversation, its tools, and which of its turns are trained."""

from dataclasses import dataclass

from agent.corrections import imitable
from agent.episode import Episode
from agent.message import Message, blind
from tools.schema import ToolSchema


@dataclass(frozen=True)
class Example:
    """One row of a dataset."""

    episode: str
    """The id of the episode it comes from."""
    task: str
    messages: list[Message]
    tools: list[ToolSchema]
    trained: list[bool]
    """One flag a message; true only on assistant turns."""


def example(episode: Episode) -> Example:
    """The episode as the model saw it, byte for byte, its good answers trained."""
    return Example(
        episode=episode.id,
        task=episode.task,
        messages=[_plain(step.message) for step in episode.steps],
        tools=list(episode.tools),
        trained=imitable(episode),
    )


def _plain(message: Message) -> Message:
    """Without what only the teacher's provider can read, and as a student without eyes reads it."""
    plain = blind(message).copy()
    plain.pop("provider", None)
    return plain
