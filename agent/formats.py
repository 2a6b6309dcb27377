"""The forms in which models write tool calls: where a call begins, and how each form is read."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from agent.lenient import forgiven, read_json
from tools.call import JSON

Format = Literal["hermes", "xml", "mistral", "llama3", "fenced"]
FORMATS: tuple[Format, ...] = get_args(Format)

OPENERS: dict[Format, tuple[str, ...]] = {
    "hermes": ("<tool_call>",),
    "xml": ("<tool_call>", "<function="),
    "mistral": ("[TOOL_CALLS]",),
    "llama3": ("<|python_tag|>",),
    "fenced": ("```json", "```tool_call"),
}
"""What a call begins with. A `llama3` call may also be a bare object at the start."""

Kinds = Mapping[str, Mapping[str, str]]
"""Per tool and parameter: `text`, `text or null`, or `json`; see `agent.text_rules.written`."""


@dataclass(frozen=True)
class Written:
    """A call as it was written; `id` is empty where the form has none."""

    name: str
    arguments: dict[str, JSON]
    id: str = ""


@dataclass(frozen=True)
class Region:
    """Where calls were meant, as offsets, and what was read there."""

    start: int
    end: int
    calls: tuple[Written, ...] = ()
    reason: str = ""
    """Why it could not be read; with neither calls nor a reason it was text after all."""
    slip: str = ""
    """What was forgiven when it was read."""


def format_of(template: str) -> Format:
    """The format that a chat template teaches; `fenced` when it knows nothing of tools."""
    if "[TOOL_CALLS]" in template:
        return "mistral"
    if "<function=" in template:
        return "xml"
    if "<tool_call>" in template:
        return "hermes"
    if "<|start_header_id|>" in template and '"parameters": ' in template:
        return "llama3"
    return "fenced"


def opening(text: str, form: Format, start: int, *, bare: bool) -> int | None:
    """The offset of the first thing from `start` on that may be a call.

    `bare` says that the text begins the answer, where a lone object may be one.
    """
    if form == "llama3" and bare and text.lstrip().startswith("{"):
        return len(text) - len(text.lstrip())
    places = [text.find(opener, start) for opener in OPENERS[form]]
    return min((place for place in places if place >= 0), default=None)


def begun(text: str, form: Format, *, bare: bool) -> tuple[str, int] | None:
    """The mark of the first thing in an unfinished answer that is certainly a call.

    With it the offset behind it; "" where a bare object is the call. Once it is found, more text
    does not change it.
    """
    at = 0
    while (start := opening(text, form, at, bare=bare and at == 0)) is not None:
        mark = next((mark for mark in OPENERS[form] if text.startswith(mark, start)), "")
        body = _before(text, start, "\n") if mark else start
        if mark not in ("", "```json"):
            return mark, start + len(mark)
        if _BARE_CALL.match(text, body):
            return mark, body
        # Some other object: `regions` goes on behind it, too.
        at = max(_after(text, body, "\n```"), start + 1) if mark else len(text)
    return None


def regions(text: str, form: Format, kinds: Kinds) -> Iterator[Region]:
    """The places in a whole answer that are calls, or were meant to be, in order."""
    at = 0
    while (start := opening(text, form, at, bare=at == 0)) is not None:
        region = _READERS[form](text, start, kinds)
        if region.calls or region.reason:
            yield region
        at = max(region.end, start + 1)


def _hermes(text: str, start: int, kinds: Kinds) -> Region:
    body = start + len("<tool_call>")
    try:
        call, end, slip = _call(text, body)
    except ValueError as error:
        end = min(_after(text, body, "</tool_call>"), _before(text, body, "<tool_call>"))
        return Region(start, end, reason=str(error))
    closed = _closed(text, end)
    if text[end:closed].lstrip()[:1] in ("}", "]"):
        slip = slip or "there is a bracket too many"
    return Region(start, closed, (call,), slip=slip)


_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>")
_PARAMETER = re.compile(
    r"\s*<parameter=([^>\n]+)>(.*?)</parameter>(?=\s*(?:<parameter=|</function>))", re.DOTALL
)
_UNCLOSED = re.compile(
    r"\s*<parameter=([^>\n]+)>(.*?)(?:</parameter>|(?=\n<parameter=|</function>|</tool_call>))",
    re.DOTALL,
)


def _xml(text: str, start: int, kinds: Kinds) -> Region:
    body = start + len("<tool_call>") * text.startswith("<tool_call>", start)
    function = _FUNCTION.match(text, body)
    if not function:
        end = _after(text, body, "</tool_call>")
        return Region(start, end, reason="there is no <function=…> in the call")
    name, at = function[1].strip(), function.end()
    arguments: dict[str, JSON] = {}
    slip = ""
    while found := _PARAMETER.match(text, at) or _UNCLOSED.match(text, at):
        slip = slip or ("" if found.re is _PARAMETER else "a parameter is not closed")
        key, at = found[1].strip(), found.end()
        arguments[key] = _typed(found[2], kinds.get(name, {}).get(key, "text"))
    rest = text[at:].lstrip()
    if rest.startswith("<parameter") or any(
        tag != rest and tag.startswith(rest)
        for tag in ("<parameter=", "</function>", "</tool_call>")
    ):
        # What may still have been meant to follow is not guessed.
        return Region(start, len(text), reason="the text ends inside the call")
    closing = re.compile(r"\s*</function>").match(text, at)
    end = closing.end() if closing else at
    slip = slip or ("" if closing else "the function is not closed")
    return Region(start, _closed(text, end), (Written(name, arguments),), slip=slip)


_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*(\w+)\s*)?(?:\[ARGS\])?\s*(?=\{)")


def _mistral(text: str, start: int, kinds: Kinds) -> Region:
    body = start + len("[TOOL_CALLS]")
    try:
        if named := _NAMED.match(text, body):
            value, end, slip = forgiven(text, named.end())
            call = Written(named[1], _object(value), named[2] or "")
            return Region(start, end, (call,), slip=slip)
        value, end, slip = forgiven(text, body)
        calls = tuple(_written(item) for item in (value if isinstance(value, list) else [value]))
    except ValueError as error:
        return Region(start, _before(text, body, "[TOOL_CALLS]"), reason=str(error))
    return Region(start, end, calls, "" if calls else "the list of calls is empty", slip)


# Without a mark of its own a call is known by its keys: `{"name": …}` alone is anybody's JSON.
# Nor does it reach beyond a fence that ends.
_BARE_CALL = re.compile(
    r"""\s*+(?=(?:(?!\n```).){0,400}?"name"\s*:)
    \{(?:(?!\n```).){0,400}?"(?:arguments|parameters)"\s*:""",
    re.DOTALL | re.VERBOSE,
)


def _llama3(text: str, start: int, kinds: Kinds) -> Region:
    tagged = text.startswith("<|python_tag|>", start)
    at = start + len("<|python_tag|>") * tagged
    if not tagged and not _BARE_CALL.match(text, start):
        return Region(start, len(text))
    calls: list[Written] = []
    slip = ""
    try:
        while at < len(text):
            call, at, slip = _call(text, at)
            calls.append(call)
            at = _skip(text, at, "; \t\r\n")
    except ValueError as error:
        return Region(start, len(text), reason=str(error))
    if len(calls) > 1:
        # Its templates refuse a message with two calls: the conversation could not go on.
        return Region(start, len(text), reason="there is more than one call in the answer")
    return Region(start, len(text), tuple(calls), "" if calls else "the call is empty", slip)


def _fenced(text: str, start: int, kinds: Kinds) -> Region:
    body = _before(text, start, "\n")
    if not _BARE_CALL.match(text, body):
        return Region(start, _after(text, body, "\n```"))
    try:
        call, closing, slip = _call(text, body)
    except ValueError as error:
        return Region(start, _after(text, body, "\n```"), reason=str(error))
    return Region(start, _after(text, closing, "\n```"), (call,), slip=slip)


_READERS: dict[Format, Callable[[str, int, Kinds], Region]] = {
    "hermes": _hermes,
    "xml": _xml,
    "mistral": _mistral,
    "llama3": _llama3,
    "fenced": _fenced,
}


def _call(text: str, at: int) -> tuple[Written, int, str]:
    value, end, slip = forgiven(text, at)
    return _written(value), end, slip


def _written(value: JSON) -> Written:
    """A call from its object, also from the longer form that OpenAI's API uses."""
    if not isinstance(value, dict):
        raise ValueError("the call is no object")
    inner = value.get("function")
    entry = inner if isinstance(inner, dict) else value
    name = entry.get("name", inner)
    if not isinstance(name, str) or not name:
        raise ValueError("the call has no name")
    arguments = _object(entry.get("arguments", entry.get("parameters")))
    identity = value.get("id")
    return Written(name, arguments, identity if isinstance(identity, str) else "")


def _object(value: JSON) -> dict[str, JSON]:
    if isinstance(value, str):
        value, _ = read_json(value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("the arguments are no object")
    return value


def _typed(raw: str, kind: str) -> JSON:
    """A parameter's text as its schema has it; what cannot be read that way stays text."""
    text = raw.removeprefix("\n").removesuffix("\n")
    if kind != "json":
        return None if kind != "text" and text == "null" else text
    try:
        value, end = read_json(text)
    except ValueError:
        return text
    return text if text[end:].strip() else value


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _before(text: str, start: int, mark: str) -> int:
    place = text.find(mark, start)
    return len(text) if place < 0 else place


def _after(text: str, start: int, mark: str) -> int:
    return min(len(text), _before(text, start, mark) + len(mark))


def _closed(text: str, at: int) -> int:
    """The offset after `</tool_call>`, if it follows; superfluous brackets may stand before it."""
    after = _skip(text, at, " \t\r\n}]")
    tag = "</tool_call>"
    return after + len(tag) if text.startswith(tag, after) else at
