"""A training example: a conversation, its tools, and which of its turns are trained."""

from dataclasses import dataclass

from agent.compact import view
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


def examples(episode: Episode) -> list[Example]:
    """The episode as the model saw it, byte for byte, its good answers trained.

    One row; where the history was made shorter on the way, one for each stretch between two
    compactions. An answer that is seen in several rows is trained in the first.
    """
    messages, good = episode.messages, imitable(episode)
    ends = [n for n, message in enumerate(messages) if "kept_from" in message]
    starts = zip([0, *ends], [*ends, len(messages)], strict=True)
    rows = [_row(episode, good, start, stop) for start, stop in starts]
    return [row for row in rows if any(row.trained)] or rows[:1]


def _row(episode: Episode, good: list[bool], start: int, stop: int) -> Example:
    """What was seen of the first `stop` messages; what was said from `start` on is trained."""
    shown = view(episode.messages[:stop])
    return Example(
        episode=episode.id,
        task=episode.task,
        messages=[_plain(message) for _, message in shown],
        tools=list(episode.tools),
        trained=[good[n] and n >= start for n, _ in shown],
    )


def _plain(message: Message) -> Message:
    """Without what only the teacher's provider can read, and as a student without eyes reads it."""
    plain = blind(message).copy()
    plain.pop("provider", None)
    return plain
