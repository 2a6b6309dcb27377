"""Tool calls out of generated text, in the formats that chat templates teach.

Reading never raises: what cannot be read is a `Malformed`. A template's own rendering of a call
reads back exactly, so a conversation renders to the same bytes as it grows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.formats import OPENERS, Format, Kinds, opening, regions
from agent.model import Malformed
from agent.text_rules import written
from tools.call import ToolCall
from tools.schema import ToolSchema


@dataclass(frozen=True)
class Parsed:
    """A whole answer, taken apart."""

    text: str
    """What is not a call, without the line break that templates put before a call."""
    calls: tuple[ToolCall, ...] = ()
    malformed: Malformed | None = None
    """The first call that could not be read."""
    slip: Malformed | None = None
    """What was written, where all calls were read, but only with slips forgiven."""

    @property
    def events(self) -> list[ToolCall | Malformed]:
        """What the stream of a model says of the calls."""
        bad = self.malformed
        if self.slip and not bad:
            return [replace(self.slip, calls=self.calls)]
        return [*self.calls, *([bad] if bad else [])]


def parse(text: str, form: Format, *, message: int = 0, tools: Sequence[ToolSchema] = ()) -> Parsed:
    """Take a whole answer apart.

    Args:
        text: everything that was generated, without the end-of-turn token.
        form: the format of calls; `agent.formats.format_of` finds it in a template.
        message: the index that the answer will have in its conversation; call ids are made of
            it, so that the same conversation has the same ids.
        tools: their schemas say which arguments of the `xml` format are not text.
    """
    said, calls, malformed, slip, at = "", list[ToolCall](), None, "", 0
    found = list(regions(text, form, _kinds(tools)))
    for region in found:
        said += _between(text[at : region.start], first=at == 0)
        at, slip = region.end, slip or region.slip
        if region.reason and not malformed:
            malformed = Malformed(text[region.start : region.end], region.reason)
        for call in region.calls:
            identity = _id(form, message, len(calls), call.id)
            calls.append(ToolCall(identity, call.name, call.arguments))
    rest = text[at:]
    said += rest if at == 0 or rest.strip() else ""
    whole = "\n".join(text[region.start : region.end] for region in found)
    return Parsed(said, tuple(calls), malformed, Malformed(whole, slip) if slip else None)


class Splitter:
    """Parses an answer while it is written: gives the text to show, holds a call back."""

    def __init__(self, form: Format, *, message: int = 0, tools: Sequence[ToolSchema] = ()) -> None:
        self._form: Format = form
        self._message = message
        self._tools = tools
        self._pieces: list[str] = []
        self._shown = 0
        self._pending = ""
        self._opened = False

    def feed(self, piece: str) -> str:
        """Take the next piece of the answer; the text that may be shown now."""
        self._pieces.append(piece)
        if self._opened:
            return ""
        self._pending += piece
        start = opening(self._pending, self._form, 0, bare=self._shown == 0)
        self._opened = start is not None
        safe = self._settled() if start is None else self._pending[:start]
        safe = safe.removesuffix("\n")
        self._pending = self._pending[len(safe) :]
        self._shown += len(safe)
        return safe

    def finish(self) -> tuple[str, Parsed]:
        """The rest of the text to show, and the whole answer."""
        parsed = parse("".join(self._pieces), self._form, message=self._message, tools=self._tools)
        return parsed.text[self._shown :], parsed

    def _settled(self) -> str:
        """The pending text without an end that may turn out to be the beginning of a call."""
        text, openers = self._pending, OPENERS[self._form]
        if self._form == "llama3" and self._shown == 0 and not text.strip():
            return ""
        for size in range(min(max(map(len, openers)), len(text)), 0, -1):
            if any(opener.startswith(text[-size:]) for opener in openers):
                return text[:-size]
        return text


def _between(text: str, *, first: bool) -> str:
    """The text before a call: one line break belongs to the template, white space to nobody."""
    return text.removesuffix("\n") if first or text.strip() else ""


def _id(form: Format, message: int, number: int, given: str) -> str:
    if form != "mistral":
        return f"call_{message}_{number}"
    # Its templates demand nine letters or digits, and write the model's own id back.
    return given if re.fullmatch(r"[A-Za-z0-9]{9}", given) else f"{message % 10**6:06}{number:03}"


def _kinds(tools: Sequence[ToolSchema]) -> Kinds:
    kinds: dict[str, dict[str, str]] = {}
    for tool in tools:
        properties = tool["function"]["parameters"].get("properties")
        kinds[tool["function"]["name"]] = {
            name: written(schema)
            for name, schema in (properties.items() if isinstance(properties, dict) else ())
        }
    return kinds
