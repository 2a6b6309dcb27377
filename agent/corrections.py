"""What an episode teaches by its mistakes: bad answers, and the ones that put them right."""

from dataclasses import dataclass

from agent.compact import seen
from agent.episode import Episode
from agent.message import Message


@dataclass(frozen=True)
class Correction:
    """A bad answer and a good one to the same conversation."""

    context: tuple[Message, ...]
    """What the model saw of the conversation before the bad answer."""
    bad: Message
    corrected: Message
    repair: str
    """What put it right: `lenient`, `constrained`, `schema` or `teacher`."""
    model: str
    """Who wrote the corrected answer."""


def corrections(episode: Episode) -> list[Correction]:
    """The pairs of an episode, in the order of the corrected answers.

    Of several bad answers in a row each makes a pair with the answer that ended the row. What a
    teacher did behind its first answer is no pair: it is trained like any other step.
    """
    steps, messages = episode.steps, episode.messages
    return [
        Correction(
            context=tuple(seen(messages[:bad])),
            bad=messages[bad],
            corrected=step.message,
            repair=step.repair,
            model=step.model or episode.model,
        )
        for at, step in enumerate(steps)
        for bad in _replaced(episode, at)
    ]


def imitable(episode: Episode) -> list[bool]:
    """Whether each step may be trained: an answer that was good, and that none replaced."""
    replaced = {bad for at in range(len(episode.steps)) for bad in _replaced(episode, at)}
    return [
        step.trained and step.message["role"] == "assistant" and at not in replaced
        for at, step in enumerate(episode.steps)
    ]


def _replaced(episode: Episode, at: int) -> list[int]:
    """The answers that a step corrects: all from the one that it names up to itself."""
    start = episode.steps[at].corrects
    if start is None:
        return []
    messages = episode.messages[:at]
    return [n for n in range(start, at) if messages[n]["role"] == "assistant"]
