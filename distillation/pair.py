"""Two answers to the same conversation, of which one is known to be better.

Made from a failure and its task's solution: what the student wrote into a file, and the same call
with what belongs there. Does not cover: failures without a wrong file, tasks without a solution.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.compact import seen
from agent.episode import Episode
from agent.message import Message
from agent.task import Task
from distillation.failure import failure
from tools.schema import ToolSchema


@dataclass(frozen=True)
class Pair:
    """One preference."""

    task: str
    context: tuple[Message, ...]
    """What the student saw before either answer."""
    tools: tuple[ToolSchema, ...]
    chosen: Message
    rejected: Message


def pairs(episodes: Iterable[Episode], tasks: Mapping[str, Task]) -> list[Pair]:
    """A pair of each failed episode of these tasks, by id, that wrote a wrong file."""
    mine = (episode for episode in episodes if episode.task in tasks and failure(episode))
    found = (_pair(episode, tasks[episode.task]) for episode in mine)
    return [pair for pair in found if pair]


def _pair(episode: Episode, task: Task) -> Pair | None:
    """Of the first answer that wrote a wrong file: what came behind it began with that."""
    for n, message in enumerate(episode.messages):
        if message["role"] != "assistant" or len(message.get("tool_calls", [])) != 1:
            continue
        better = copy.deepcopy(message)
        call = better.get("tool_calls", [])[0]["function"]
        right = (task.solution or {}).get(str(call["arguments"].get("path")))
        if call["name"] != "write_file" or right is None:
            continue
        if call["arguments"].get("content") != right:
            call["arguments"]["content"] = right
            context = tuple(seen(episode.messages[:n]))
            return Pair(episode.task, context, episode.tools, better, message)
    return None
