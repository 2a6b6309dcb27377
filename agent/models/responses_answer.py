"""An answer of OpenAI's Responses API, put together from the events of its stream."""

from collections.abc import Iterator
from typing import Any, cast

from agent.lenient import arguments, mended
from agent.model import Event, Malformed, Stop, StopReason, Text, Thinking, Usage
from agent.models.wire import Cut, Reported
from tools.call import JSON, ToolCall

Wire = dict[str, Any]

_INCOMPLETE: dict[str, StopReason] = {"max_output_tokens": "length", "content_filter": "refusal"}
_REASONING = ("type", "id", "summary", "content", "encrypted_content")


class ResponsesAnswer:
    """Takes wire events, gives ours. One instance per response."""

    def __init__(self, model: str) -> None:
        """`model` is who answers: its reasoning is of use to nobody else."""
        self._model = model
        self._open: dict[int, Wire] = {}
        """Items that are being written, by their place in the output."""
        self._items: dict[int, Wire] = {}
        """Items that are whole."""
        self._passed_on: dict[int, str] = {}
        """Text or reasoning of an item that was passed on already."""
        self._usage: Wire = {}
        self._stop: StopReason | None = None
        self._refused = False

    @property
    def ended(self) -> bool:
        """Whether everything was said."""
        return self._stop is not None

    @property
    def written(self) -> int:
        """Tokens that were written to the cache."""
        details: Wire = self._usage.get("input_tokens_details") or {}
        return details.get("cache_write_tokens") or 0

    def whole(self, response: Wire) -> Iterator[Event]:
        """Fold in an answer that came in one piece, from a server that does not stream."""
        kind = f"response.{response['status']}" if "status" in response else "error"
        return self.take({"type": kind, "response": response})

    def take(self, chunk: object) -> Iterator[Event]:
        """Fold one wire event in, and pass on what it brings.

        Raises:
            Cut: it is not what the protocol says.
            Reported: it tells of a failure.
        """
        try:
            yield from self._take(cast("Wire", chunk))
        except (AttributeError, LookupError, TypeError) as error:
            raise Cut("it sent something that is not of the protocol") from error

    def finish(self) -> Iterator[Event]:
        """The calls, and the end. Calls wait for it, so that a cut answer can be asked for again.

        Raises:
            Cut: the answer has no end, or a call in it has none.
        """
        if self._stop is None:
            raise Cut("the stream ended too early")
        called = False
        for _, item in sorted((self._items | self._open).items()):
            if item["type"] == "function_call":
                called = True
                yield self._called(item)
        reason = "refusal" if self._refused else self._stop
        yield Stop("calls" if called and reason == "end" else reason, self._kept())

    def usage(self) -> Usage:
        """The tokens of the answer, as far as they were told; without a price."""
        details: Wire = self._usage.get("input_tokens_details") or {}
        output: Wire = self._usage.get("output_tokens_details") or {}
        return Usage(
            self._usage.get("input_tokens") or 0,
            self._usage.get("output_tokens") or 0,
            details.get("cached_tokens") or 0,
            reasoning=output.get("reasoning_tokens") or 0,
        )

    def _take(self, wire: Wire) -> Iterator[Event]:
        match wire.get("type"):
            case "response.output_item.added":
                self._open[wire["output_index"]] = dict(wire["item"])
            case "response.output_item.done":
                yield from self._finished(wire["output_index"], wire["item"])
            case "response.completed" | "response.incomplete":
                yield from self._ended(wire["response"])
            case "response.failed" | "response.cancelled" | "error":
                response: Wire = wire.get("response") or {}
                self._usage = response.get("usage") or {}
                raise Reported(response.get("error") or wire)
            case _:
                yield from self._fragment(wire)

    def _fragment(self, wire: Wire) -> Iterator[Event]:
        match wire.get("type"):
            case "response.output_text.delta" | "response.refusal.delta":
                yield Text(self._grown(wire["output_index"], wire["delta"]))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield Thinking(self._grown(wire["output_index"], wire["delta"]))
            case "response.reasoning_summary_part.added" if wire["summary_index"] > 0:
                yield Thinking(self._grown(wire["output_index"], "\n\n"))
            case "response.function_call_arguments.delta":
                call = self._open[wire["output_index"]]
                call["arguments"] = (call.get("arguments") or "") + wire["delta"]
            case _:
                # Kinds of events are added without notice; what matters comes again at the end.
                pass

    def _grown(self, index: int, text: str) -> str:
        self._passed_on[index] = self._passed_on.get(index, "") + text
        return text

    def _finished(self, index: int, item: Wire) -> Iterator[Event]:
        """Take a whole item over, and pass on what no fragment brought."""
        if index in self._items:
            # At the end everything is listed again, by some gateways without the reasoning.
            return
        self._open.pop(index, None)
        self._items[index] = item
        passed_on = self._passed_on.get(index, "")
        if item["type"] == "message":
            parts: list[Wire] = item.get("content") or []
            self._refused |= any(part["type"] == "refusal" for part in parts)
            text = "".join(part.get("text") or part.get("refusal") or "" for part in parts)
            if rest := text.removeprefix(passed_on) if text.startswith(passed_on) else "":
                yield Text(self._grown(index, rest))
        elif item["type"] == "reasoning" and not passed_on:
            parts = item.get("summary") or item.get("content") or []
            if text := "\n\n".join(part["text"] for part in parts):
                yield Thinking(self._grown(index, text))

    def _ended(self, response: Wire) -> Iterator[Event]:
        self._usage = response.get("usage") or {}
        for index, item in enumerate(response.get("output") or []):
            yield from self._finished(index, item)
        if response.get("status") != "incomplete":
            if any(item["type"] == "function_call" for item in self._open.values()):
                raise Cut("the stream ended inside a call")
            self._stop = "end"
            return
        details: Wire = response.get("incomplete_details") or {}
        reason = details.get("reason")
        if reason not in _INCOMPLETE:
            raise Cut(f"it stopped for a reason that this version does not know: {reason}")
        self._stop = _INCOMPLETE[reason]

    def _called(self, item: Wire) -> Event:
        name, text = str(item.get("name") or ""), str(item.get("arguments") or "")
        identity = ""
        try:
            if not name or not item.get("call_id"):
                raise ValueError("the call has no name" if not name else "the call has no id")
            # Of an answer that was cut off, a call may be in order, but only if it says so.
            if self._stop != "end" and item.get("status") != "completed":
                raise ValueError("the call breaks off")
            identity = str(item["call_id"])
            return ToolCall(identity, name, arguments(text))
        except ValueError as error:
            meant = mended(identity, name, text) if identity else ()
            return Malformed(f"{name}({text})", str(error), meant)

    def _kept(self) -> dict[str, JSON] | None:
        """Reasoning, which the API wants back unchanged, where it stood, and texts' phases."""
        layout: list[JSON] = []
        for index, item in sorted(self._items.items()):
            if item["type"] == "message":
                length = len(self._passed_on.get(index, ""))
                phase = {"phase": item["phase"]} if item.get("phase") else {}
                layout.append({"type": "message", "length": length} | phase)
            elif item["type"] == "function_call":
                layout.append({"type": "function_call"})
            # Without the encrypted part it would be looked up at OpenAI, where it was not stored.
            elif item["type"] == "reasoning" and item.get("encrypted_content"):
                layout.append({n: item[n] for n in _REASONING if item.get(n) is not None})
        return {"openai": {"model": self._model, "layout": layout}} if layout else None
