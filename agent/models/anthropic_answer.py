"""An answer of Anthropic's Messages API, put together from the events of its stream."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

from agent.lenient import arguments, mended
from agent.model import ContextFull, Event, Malformed, Stop, StopReason, Text, Thinking, Usage
from agent.models.anthropic_thinking import Prefix, layout
from agent.models.wire import Cut
from agent.prices import cost
from tools.call import JSON, ToolCall

Wire = dict[str, Any]

_STOPS: dict[str, StopReason] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "calls",
    "max_tokens": "length",
    # Where it went on pausing; see `paused`.
    "pause_turn": "length",
    "refusal": "refusal",
}
_FULL = "model_context_window_exceeded"


class AnthropicAnswer:
    """Takes wire events, gives ours. One instance per answer, of one response or several."""

    def __init__(self) -> None:
        self._blocks: dict[int, Wire] = {}
        self._json: dict[int, str] = {}
        """Arguments as text, by the index of their block."""
        self._open: set[int] = set()
        self._first = 0
        """The index that the first block of this response gets."""
        self._usage: dict[str, int] = {}
        self._stop = ""

    def take(self, event: object) -> Iterator[Event]:
        """Fold one wire event in, and pass on what it brings; calls come with `finish`.

        Raises:
            Cut: it is not what the protocol says.
        """
        with _of_the_protocol():
            yield from self._take(event)

    def whole(self, message: Wire) -> Iterator[Event]:
        """Fold in an answer that came in one piece, from a server that does not stream."""
        yield from self.take({"type": "message_start", "message": message})
        for index, block in enumerate(message.get("content", [])):
            yield from self.take(
                {"type": "content_block_start", "index": index, "content_block": block}
            )
            yield from self.take({"type": "content_block_stop", "index": index})
        yield from self.take({"type": "message_delta", "delta": message})

    def usage(self, model: str, *, batch: bool = False) -> Usage:
        """What the last response took, as far as it was told; at the price of batches or not."""
        read = self._usage.get("cache_read_input_tokens", 0)
        written = self._usage.get("cache_creation_input_tokens", 0)
        fresh, output = self._usage.get("input_tokens", 0), self._usage.get("output_tokens", 0)
        thought = self._usage.get("thinking_tokens", 0)
        known = Usage(fresh + read + written, output, read, reasoning=thought)
        price = cost(model, known, provider="anthropic", written=written, batch=batch)
        return Usage(known.input, known.output, known.cached, price, thought)

    @property
    def paused(self) -> bool:
        """Whether the model wants to go on: it is sent `content` and answers the rest."""
        return self._stop == "pause_turn"

    def content(self) -> list[Wire]:
        """All blocks as they came, for the request that lets a paused answer go on."""
        return [dict(self._blocks[index]) for index in sorted(self._blocks)]

    def resume(self) -> None:
        """Another response follows, with the rest of the answer."""
        self._first = max(self._blocks, default=-1) + 1
        self._usage, self._stop = {}, ""

    def finish(self, prefix: Prefix) -> Iterator[Event]:
        """The calls, which are known to be whole only now, and the end.

        Args:
            prefix: what was asked, for thinking, which is bound to it.

        Raises:
            Cut: the answer has no end, or a block in it has none.
            ContextFull: the answer broke off because the model's window is full.
        """
        if not self._stop:
            raise Cut("the stream ended too early")
        if self._stop == _FULL:
            raise ContextFull("The answer breaks off because the model's window is full.")
        if self._stop not in _STOPS:
            raise Cut(f"it stopped for a reason that this version does not know: {self._stop}")
        if self._open:
            raise Cut("the stream ended inside a block")
        reason = _STOPS[self._stop]
        if reason == "refusal":
            # What was said up to then is not to be used, and is not to be sent back.
            yield Stop(reason)
            return
        with _of_the_protocol():
            made = list(self._calls())
        yield from made
        yield Stop("calls" if made and reason == "end" else reason, self._kept(prefix))

    def _take(self, event: object) -> Iterator[Event]:
        if not isinstance(event, dict):
            raise TypeError(f"{event!r} is no object")
        wire = cast("Wire", event)
        match wire.get("type"):
            case "message_start":
                # Proxies send it twice. If the answer begins anew, so does its first block.
                self._count(wire["message"].get("usage"))
            case "content_block_start":
                yield from self._started(self._first + wire["index"], wire["content_block"])
            case "content_block_delta":
                yield from self._grown(self._first + wire["index"], wire["delta"])
            case "content_block_stop":
                self._closed(self._first + wire["index"])
            case "message_delta":
                self._stop = wire["delta"].get("stop_reason") or self._stop
                self._count(wire.get("usage"))
            case _:
                # Kinds of events are added without notice; clients are told to skip them.
                pass

    def _started(self, index: int, block: Wire) -> Iterator[Event]:
        if index in self._blocks:
            raise Cut("it began its answer twice")
        self._blocks[index] = kept = dict(block)
        self._open.add(index)
        if "input" in kept or kept["type"] == "tool_use":
            kept.setdefault("input", {})
            self._json[index] = ""
        if kept.get("text"):
            yield Text(kept["text"])
        if kept.get("thinking"):
            yield Thinking(kept["thinking"])

    def _grown(self, index: int, delta: Wire) -> Iterator[Event]:
        block = self._blocks[index]
        match delta.get("type"):
            case "text_delta":
                block["text"] += delta["text"]
                yield Text(delta["text"])
            case "input_json_delta":
                if index in self._json:
                    self._json[index] += delta["partial_json"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
                yield Thinking(delta["thinking"])
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta["signature"]
            case _:
                pass

    def _closed(self, index: int) -> None:
        self._open.discard(index)
        text = self._json.get(index, "")
        if text and self._blocks[index]["type"] != "tool_use":
            # Of a tool that ran at the provider.
            self._blocks[index]["input"] = json.loads(text)

    def _calls(self) -> Iterator[Event]:
        for index in sorted(self._json):
            block = self._blocks[index]
            if block["type"] != "tool_use":
                continue
            text, given = self._json[index], cast("JSON", block["input"])
            last = index == max(self._blocks)
            try:
                if self._stop == "max_tokens" and last and not text:
                    # No arguments are arguments too; these are none yet.
                    raise ValueError("the call breaks off")
                read = given if not text and isinstance(given, dict) else arguments(text)
            except ValueError as error:
                meant = mended(block["id"], block["name"], text)
                yield Malformed(f"{block['name']}({text})", str(error), meant)
            else:
                yield ToolCall(block["id"], block["name"], read)

    def _count(self, usage: Wire | None) -> None:
        """Counts are totals up to here; the later ones replace the earlier."""
        counts: Wire = dict(usage or {})
        counts |= counts.get("output_tokens_details") or {}
        for name, amount in counts.items():
            if isinstance(amount, int):
                self._usage[name] = amount

    def _kept(self, prefix: Prefix) -> dict[str, JSON] | None:
        """What the API wants back unchanged, where it stood, and what stood before it."""
        parts = cast("list[JSON]", layout(self.content()))
        return {"anthropic": {"layout": parts, "prefix": prefix.value()}} if parts else None


@contextmanager
def _of_the_protocol() -> Generator[None]:
    """What does not fit together becomes `Cut`."""
    try:
        yield
    except (AttributeError, LookupError, TypeError) as error:
        raise Cut("it sent something that is not of the protocol") from error
