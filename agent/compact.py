"""Compaction: what a model sees of a history that has become too long for it.

The history itself stays whole and is only appended to. A compaction is one more message in it,
which says from where on messages are kept (`kept_from`) and what happened before that. What the
model sees is derived from the history by `seen`, which datasets use too.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from agent.digest import digest, size
from agent.message import Message, user


def seen(messages: Sequence[Message]) -> list[Message]:
    """The history as the model sees it: whole, or as its last compaction left it.

    Between two compactions it is only appended to, as the history is; a request that got no answer
    may grow into one with the next request.
    """
    return [message for _, message in view(messages)]


def view(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """What the model sees, each message with its index in the history.

    What the user said in a row is one message: many chat templates refuse two. That is so after a
    turn without an answer, and where a compaction tells of what came between.
    """
    at = last_compaction(messages)
    if at is None:
        return _joined(enumerate(messages))
    head, note = pinned(messages), messages[at]
    kept = range(max(note.get("kept_from", head), head), len(messages))
    return _joined(
        [
            *enumerate(messages[:head]),
            (at, user(note["content"])),
            *((n, messages[n]) for n in kept if "kept_from" not in messages[n]),
        ]
    )


def last_compaction(messages: Sequence[Message]) -> int | None:
    """The index of the last compaction's message; None where there was none."""
    return next((n for n in reversed(range(len(messages))) if "kept_from" in messages[n]), None)


def pinned(messages: Sequence[Message]) -> int:
    """How many messages are never left out: system messages and the task, which come first.

    0 where there is no task.
    """
    return next((n + 1 for n, message in enumerate(messages) if message["role"] == "user"), 0)


def compaction(messages: Sequence[Message], room: float) -> Message | None:
    """The message that makes what is seen of a history shorter; None where nothing can.

    It keeps the task, and as many of the last steps as fit, whole: a call and its results are
    never apart. The last step is kept whatever its size.

    Args:
        messages: the history; every call in it has its result.
        room: characters that the kept steps may have.
    """
    head, before = pinned(messages), last_compaction(messages)
    start = head if before is None else max(messages[before].get("kept_from", head), head)
    steps = [n for n in range(start + 1, len(messages)) if _begins(messages[n])]
    if not head or not steps:
        return None
    sizes = [0 if "kept_from" in message else size(message) for message in messages]
    behind = list(accumulate(reversed(sizes)))[::-1]
    fits = next((n for n in steps if behind[n] <= room), steps[-1])
    notes = (_note(messages, head, kept_from) for kept_from in dict.fromkeys([fits, steps[-1]]))
    now = characters(seen(messages))
    return next((note for note in notes if characters(seen([*messages, note])) < now), None)


def characters(messages: Sequence[Message]) -> int:
    """The size of messages, in characters that a model reads."""
    return sum(size(message) for message in messages)


def _joined(shown: Iterable[tuple[int, Message]]) -> list[tuple[int, Message]]:
    """The messages, with those of the user that follow each other as one."""
    joined: list[tuple[int, Message]] = []
    for n, message in shown:
        if joined and message["role"] == joined[-1][1]["role"] == "user":
            first, before = joined.pop()
            said = [part["content"] for part in (before, message) if part["content"]]
            images = [*before.get("images", []), *message.get("images", [])]
            joined.append((first, user("\n\n".join(said), images)))
        else:
            joined.append((n, message))
    return joined


def _note(messages: Sequence[Message], head: int, kept_from: int) -> Message:
    note = user(digest([m for m in messages[head:kept_from] if "kept_from" not in m]))
    note["kept_from"] = kept_from
    return note


def _begins(message: Message) -> bool:
    """Whether the history may be cut before a message."""
    return message["role"] in ("assistant", "user") and "kept_from" not in message
