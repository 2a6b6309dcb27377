"""What a local model thinks before it answers: `<think>…</think>`, whatever its format of calls.

Only the beginning of an answer is looked at: elsewhere the marks are text that is talked about.
"""

from collections.abc import Sequence

from agent.message import Message
from tools.call import JSON

OPEN, CLOSE = "<think>", "</think>"
_BREAKS = " \t\r\n"


class Thoughts:
    """Takes an answer apart while it is written: first what is thought, then what is said."""

    def __init__(self, prompt: str = "") -> None:
        """`prompt` is the end of what the model is fed: some templates open the thoughts there."""
        _, mark, rest = prompt.rpartition(OPEN)
        inside = bool(mark) and not rest.strip()
        self._kept = mark + rest if inside else ""
        self._pending = ""
        self._stage = "inside" if inside else "before"
        self.inside = inside
        """Whether the prompt has opened the thoughts."""

    def feed(self, piece: str) -> tuple[str, str]:
        """Take the next piece; what was thought and what was said, as far as it is settled."""
        self._pending += piece
        thought = ""
        if self._stage == "before":
            self._begin()
        if self._stage == "inside":
            thought = self._think()
        if self._stage == "after":
            # The line breaks between the two belong to neither.
            self._keep(len(self._pending) - len(self._pending.lstrip(_BREAKS)))
            self._stage = "said" if self._pending else "after"
        if self._stage != "said":
            return thought, ""
        said, self._pending = self._pending, ""
        return thought, said

    def finish(self) -> tuple[str, str]:
        """What was not settled, at the end of the answer."""
        rest, inside = self._pending, self._stage == "inside"
        if inside:
            self._keep(len(rest))
        self._pending, self._stage = "", "said"
        return (rest, "") if inside else ("", rest)

    @property
    def provider(self) -> dict[str, JSON] | None:
        """What goes into the message's `provider` field; see `restored`."""
        return {"local": {"thoughts": self._kept}} if self._kept else None

    def _begin(self) -> None:
        text = self._pending.lstrip(_BREAKS)
        if text.startswith(OPEN):
            self._keep(len(self._pending) - len(text) + len(OPEN))
            self._stage = "inside"
        elif not OPEN.startswith(text):
            self._stage = "said"

    def _think(self) -> str:
        text = self._pending
        end = text.find(CLOSE)
        if end >= 0:
            self._keep(end + len(CLOSE))
            self._stage = "after"
            return text[:end]
        sizes = range(min(len(CLOSE) - 1, len(text)), 0, -1)
        held = next((size for size in sizes if CLOSE.startswith(text[-size:])), 0)
        self._keep(len(text) - held)
        return text[: len(text) - held]

    def _keep(self, count: int) -> None:
        self._kept += self._pending[:count]
        self._pending = self._pending[count:]


def restored(messages: Sequence[Message]) -> list[Message]:
    """The messages with their thoughts, byte for byte and where templates expect them.

    A template that keeps them renders what the model has in its memory; others drop them.
    """
    return [_restored(message) for message in messages]


def _restored(message: Message) -> Message:
    kept = message.get("provider", {}).get("local")
    thoughts = kept.get("thoughts") if isinstance(kept, dict) else None
    if not isinstance(thoughts, str):
        return message
    whole = message.copy()
    whole["content"] = thoughts + message["content"]
    return whole
