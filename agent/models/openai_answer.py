"""An answer of Chat Completions, put together from the chunks of its stream."""

from collections.abc import Iterator
from typing import Any, cast

from agent.lenient import arguments, mended
from agent.model import Event, Malformed, Stop, StopReason, Text, Thinking, Usage
from agent.models.wire import Cut
from tools.call import ToolCall

Wire = dict[str, Any]

_STOPS: dict[str, StopReason] = {
    "stop": "end",
    "tool_calls": "calls",
    "function_call": "calls",
    "length": "length",
    "content_filter": "refusal",
}
_BREAKS = {"length", "content_filter"}
"""These end an answer anywhere."""


class OpenAIAnswer:
    """Takes wire chunks, gives our events. One instance per response."""

    ended = False
    """Not known before the end: the counts come after the reason to stop."""
    written = 0

    def __init__(self, message: int) -> None:
        """`message` is the answer's index in the conversation, for calls that come without ids."""
        self._message = message
        self._calls: list[Wire] = []
        self._usage: Wire = {}
        self._counts = 0
        self._stop = ""
        self._refused = False

    def take(self, chunk: object) -> Iterator[Event]:
        """Fold one chunk in, and pass on what it brings.

        Raises:
            Cut: it is not what the protocol says.
        """
        try:
            wire = cast("Wire", chunk)
            if counted := wire.get("usage"):
                self._usage = counted
                self._counts += 1
            for choice in _objects(wire.get("choices")):
                yield from self._grown(choice.get("delta") or choice.get("message") or {})
                self._stop = choice.get("finish_reason") or self._stop
        except (AttributeError, LookupError, TypeError) as error:
            raise Cut("it sent something that is not of the protocol") from error

    def whole(self, response: Wire) -> Iterator[Event]:
        """Fold in an answer that came in one piece: a chunk that holds everything."""
        return self.take(response)

    def finish(self) -> Iterator[Event]:
        """The calls, which are whole only now, and the end.

        Raises:
            Cut: the answer has no end.
        """
        # Some servers give no reason; then a count, which is sent once, at the end, is an end.
        if self._stop == "error" or not (self._stop or self._counts == 1):
            raise Cut("the stream ended too early")
        for number, call in enumerate(self._calls):
            identity = call["id"] or f"call_{self._message}_{number}"
            try:
                if not call["name"]:
                    raise ValueError("the call has no name")
                last = call is self._calls[-1]
                if self._stop in _BREAKS and last and not call["arguments"]:
                    # No arguments are arguments too; these are none yet.
                    raise ValueError("the call breaks off")
                yield ToolCall(identity, call["name"], arguments(call["arguments"]))
            except ValueError as error:
                meant = mended(identity, call["name"], call["arguments"])
                yield Malformed(f"{call['name']}({call['arguments']})", str(error), meant)
        # Many servers say "stop" where they mean "tool_calls"; a reason of their own is an end.
        reason = "refusal" if self._refused else _STOPS.get(self._stop, "end")
        yield Stop("calls" if self._calls and reason == "end" else reason)

    def usage(self) -> Usage:
        """The tokens of the answer, as far as they were told; without a price."""
        details: Wire = self._usage.get("prompt_tokens_details") or {}
        output: Wire = self._usage.get("completion_tokens_details") or {}
        return Usage(
            self._usage.get("prompt_tokens") or 0,
            self._usage.get("completion_tokens") or 0,
            details.get("cached_tokens") or 0,
            reasoning=output.get("reasoning_tokens") or 0,
        )

    def _grown(self, delta: Wire) -> Iterator[Event]:
        # Two names are in use for reasoning; OpenAI's own endpoint sends none.
        if thought := _text(delta.get("reasoning_content") or delta.get("reasoning")):
            yield Thinking(thought)
        if text := _text(delta.get("content")):
            yield Text(text)
        if refusal := _text(delta.get("refusal")):
            self._refused = True
            yield Text(refusal)
        for fragment in _objects(delta.get("tool_calls")):
            self._extend(fragment)

    def _extend(self, fragment: Wire) -> None:
        """Add a piece of a call: to the one with its index, or else to a new one."""
        index, identity = fragment.get("index"), _text(fragment.get("id"))
        call = next((c for c in reversed(self._calls) if c["index"] == index), None)
        if call is None or (identity and call["id"] and identity != call["id"]):
            # Some servers count every call as 0; a new id is a new call.
            call = {"index": index, "id": "", "name": "", "arguments": ""}
            self._calls.append(call)
        function: Wire = fragment.get("function") or {}
        call["id"] = identity or call["id"]
        if (name := _text(function.get("name"))) != call["name"]:
            # Most send it once, some repeat it with every piece.
            call["name"] = _text(call["name"]) + name
        call["arguments"] = _text(call["arguments"]) + _text(function.get("arguments"))


def _objects(value: object) -> list[Wire]:
    return cast("list[Wire]", value or [])


def _text(value: object) -> str:
    if not isinstance(value, str | None):
        raise TypeError(f"{value!r} is no text")
    return value or ""
