"""An answer of Anthropic's Messages API, put together from the events of its stream."""

from collections.abc import Iterator
from typing import Any, cast

from agent.lenient import arguments
from agent.model import Event, Malformed, Stop, StopReason, Text, Thinking, Usage
from agent.models.wire import Cut
from agent.prices import cost
from tools.call import JSON, ToolCall

Wire = dict[str, Any]

_STOPS: dict[str, StopReason] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    # Only tools that run at Anthropic pause a turn; we offer none.
    "pause_turn": "length",
    "refusal": "refusal",
}


class AnthropicAnswer:
    """Takes wire events, gives ours. One instance per response."""

    def __init__(self) -> None:
        self._blocks: dict[int, Wire] = {}
        self._open: set[int] = set()
        self._usage: dict[str, int] = {}
        self._stop = ""
        self._called = False

    def take(self, event: object) -> Iterator[Event]:
        """Fold one wire event in, and pass on what it brings.

        Raises:
            Cut: it is not what the protocol says.
        """
        try:
            yield from self._take(event)
        except (AttributeError, LookupError, TypeError) as error:
            raise Cut("it sent something that is not of the protocol") from error

    def whole(self, message: Wire) -> Iterator[Event]:
        """Fold in an answer that came in one piece, from a server that does not stream."""
        yield from self.take({"type": "message_start", "message": message})
        for index, block in enumerate(message.get("content", [])):
            yield from self.take(
                {"type": "content_block_start", "index": index, "content_block": block}
            )
            yield from self.take({"type": "content_block_stop", "index": index})
        yield from self.take({"type": "message_delta", "delta": message})

    def usage(self, model: str) -> Usage:
        """What the answer took, as far as it was told."""
        read = self._usage.get("cache_read_input_tokens", 0)
        written = self._usage.get("cache_creation_input_tokens", 0)
        fresh, output = self._usage.get("input_tokens", 0), self._usage.get("output_tokens", 0)
        known = Usage(fresh + read + written, output, read)
        price = cost(model, known, provider="anthropic", written=written)
        return Usage(known.input, known.output, known.cached, price)

    def stop(self) -> Stop:
        """The end of the answer.

        Raises:
            Cut: it has no end, or a call in it has none.
        """
        if not self._stop:
            raise Cut("the stream ended too early")
        if self._stop not in _STOPS:
            raise Cut(f"it stopped for a reason that this version does not know: {self._stop}")
        if self._open:
            raise Cut("the stream ended inside a block")
        reason = _STOPS[self._stop]
        return Stop("calls" if self._called and reason == "end" else reason, self._kept())

    def _take(self, event: object) -> Iterator[Event]:
        if not isinstance(event, dict):
            raise TypeError(f"{event!r} is no object")
        wire = cast("Wire", event)
        match wire.get("type"):
            case "message_start":
                self._count(wire["message"].get("usage"))
            case "content_block_start":
                yield from self._started(wire["index"], wire["content_block"])
            case "content_block_delta":
                yield from self._grown(self._blocks[wire["index"]], wire["delta"])
            case "content_block_stop":
                self._open.discard(wire["index"])
                yield from self._finished(self._blocks[wire["index"]])
            case "message_delta":
                self._stop = wire["delta"].get("stop_reason") or self._stop
                self._count(wire.get("usage"))
            case _:
                # Kinds of events are added without notice; clients are told to skip them.
                pass

    def _started(self, index: int, block: Wire) -> Iterator[Event]:
        kept: Wire = dict(block)
        self._blocks[index] = kept
        self._open.add(index)
        if kept["type"] == "tool_use":
            kept["json"] = ""
        if kept.get("text"):
            yield Text(kept["text"])
        if kept.get("thinking"):
            yield Thinking(kept["thinking"])

    def _grown(self, block: Wire, delta: Wire) -> Iterator[Event]:
        match delta.get("type"):
            case "text_delta":
                block["text"] += delta["text"]
                yield Text(delta["text"])
            case "input_json_delta":
                if block["type"] == "tool_use":
                    block["json"] += delta["partial_json"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
                yield Thinking(delta["thinking"])
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta["signature"]
            case _:
                pass

    def _finished(self, block: Wire) -> Iterator[Event]:
        if block["type"] != "tool_use":
            return
        self._called = True
        given: JSON = block.get("input")
        text: str = block["json"]
        try:
            read = arguments(text) if text or not isinstance(given, dict) else given
        except ValueError as error:
            yield Malformed(f"{block['name']}({text})", str(error))
        else:
            yield ToolCall(block["id"], block["name"], read)

    def _count(self, usage: Wire | None) -> None:
        """Counts are totals up to here; the later ones replace the earlier."""
        for name, amount in (usage or {}).items():
            if isinstance(amount, int):
                self._usage[name] = amount

    def _kept(self) -> dict[str, JSON] | None:
        """Thinking, which the API wants back unchanged, and where it stood."""
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        if not any("thinking" in block["type"] for block in blocks):
            return None
        layout: list[JSON] = []
        for block in blocks:
            if block["type"] == "text":
                layout.append({"type": "text", "length": len(block["text"])})
            elif block["type"] == "tool_use":
                layout.append({"type": "tool_use"})
            elif "thinking" in block["type"]:
                layout.append(block)
        return {"anthropic": {"layout": layout}}
