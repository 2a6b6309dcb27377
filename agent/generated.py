"""An answer that a local model generates, as events: thoughts, text, and in the end its calls."""

from collections.abc import Iterator

from agent.model import Event, Text, Thinking
from agent.parse import Splitter
from agent.thoughts import Thoughts
from tools.call import JSON


class Generated:
    """One answer, piece by piece. A call that is only thought of is not carried out."""

    def __init__(self, splitter: Splitter | None, prompt: str = "") -> None:
        """`splitter` finds the calls, if any are offered; `prompt` is the end of what was fed."""
        self._splitter = splitter
        self._thoughts = Thoughts(prompt)
        self.inside = self._thoughts.inside
        """Whether the prompt has opened the model's thoughts."""
        self.called = False
        """Whether the answer has calls, readable or not; known after `finish`."""

    @property
    def provider(self) -> dict[str, JSON] | None:
        """What the message keeps for the model that wrote it."""
        return self._thoughts.provider

    def feed(self, piece: str) -> Iterator[Event]:
        """What can be shown after the next piece."""
        yield from self._settled(*self._thoughts.feed(piece))

    def finish(self) -> Iterator[Event]:
        """What is left, the calls last."""
        yield from self._settled(*self._thoughts.finish())
        if not self._splitter:
            return
        rest, parsed = self._splitter.finish()
        if rest:
            yield Text(rest)
        self.called = bool(parsed.events)
        yield from parsed.events

    def _settled(self, thought: str, said: str) -> Iterator[Event]:
        if thought:
            yield Thinking(thought)
        if text := self._splitter.feed(said) if self._splitter else said:
            yield Text(text)
