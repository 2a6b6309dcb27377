"""Answers for parsers, made from a seeded generator: far faster than drawing them one by one."""

import json
from collections.abc import Sequence
from random import Random

from agent.formats import FORMATS, OPENERS, Format
from agent.parse import Splitter, parse
from tests.agent.test_parse import SCHEMA, identity, rendered
from tools.call import JSON, ToolCall

_WORDS = (
    "path",
    "content",
    "a b",
    "",
    "ä🦆",
    "<x>",
    "\n",
    '"',
    "\\",
    "'",
    "`",
    "{",
    "]",
    "\t",
    ":",
)
_PIECES = (
    *(mark for form in FORMATS for mark in OPENERS[form]),
    "</tool_call>", "</function>", "<function=write_file>", "<parameter=path>", "</parameter>",
    "```", "\n```", "[ARGS]", "[CALL_ID]", '{"name": "f", "arguments": {', '"name":',
    '"parameters":', "{", "}", "[", "]", ",", ":", '"', "'", "\\", "\\u00", "\\ud800", "null",
    "NaN", "1e999", "-", "0", "9" * 400, "[" * 70, '"""', "\n", " ", "text", "ä", "🦆", "\x00",
    "\ud7ff",
)  # fmt: skip


def value(random: Random, depth: int = 2) -> JSON:
    """Any JSON value."""
    kind = random.randrange(8 if depth else 6)
    if kind == 6:
        return [value(random, depth - 1) for _ in range(random.randrange(3))]
    if kind == 7:
        return {word(random): value(random, depth - 1) for _ in range(random.randrange(3))}
    plain: Sequence[JSON] = (
        None, random.random() < 0.5, random.randrange(-9, 10**6), random.gauss(0, 1e6),
        word(random), word(random) * 3,
    )  # fmt: skip
    return plain[kind]


def word(random: Random) -> str:
    """A text with letters that mean something to some format."""
    return "".join(random.choices(_WORDS, k=random.randrange(5)))


def some_calls(random: Random, form: Format) -> list[ToolCall]:
    """Calls that a template of the format can write."""
    amount = 1 if form == "llama3" else random.randrange(1, 4)
    return [
        ToolCall(identity(form, number), "write_file", arguments(random, form))
        for number in range(amount)
    ]


def arguments(random: Random, form: Format) -> dict[str, JSON]:
    if form != "xml":
        return {word(random): value(random) for _ in range(random.randrange(4))}
    every: dict[str, JSON] = {
        "path": word(random), "content": word(random) * 4, "count": random.randrange(10**6),
        "deep": {str(number): word(random) for number in range(random.randrange(3))},
    }  # fmt: skip
    return {name: every[name] for name in random.sample(list(every), random.randrange(5))}


def spoilt(random: Random, form: Format) -> str:
    """A written call in which up to five things were changed."""
    text = rendered(form, some_calls(random, form))
    for _ in range(random.randrange(1, 6)):
        start, size = random.randrange(len(text) + 1), random.randrange(9)
        middle = random.choice(("", random.choice(_PIECES), text[start : start + size] * 2))
        text = text[:start] + middle + text[start + size * random.randrange(2) :]
    return text[: random.randrange(len(text) + 1)] if random.random() < 0.2 else text


def wild(random: Random) -> str:
    """Pieces of every format in no order."""
    return "".join(random.choices(_PIECES, k=random.randrange(16)))


def check_valid(random: Random, form: Format) -> None:
    """Valid calls come back exactly."""
    calls = some_calls(random, form)
    parsed = parse(rendered(form, calls), form, message=7, tools=[SCHEMA])
    assert (parsed.text, list(parsed.calls), parsed.malformed) == ("", calls, None)


def check_hostile(random: Random, form: Format) -> None:
    """Any answer is read; what is a call then can be stored; pieces give what the whole gives."""
    text = spoilt(random, form) if random.random() < 0.6 else wild(random)
    parsed = parse(text, form, message=7, tools=[SCHEMA])
    for call in parsed.calls:
        json.dumps(call.arguments, ensure_ascii=False, allow_nan=False).encode()
    assert parsed.calls or parsed.malformed or parsed.text == text
    if random.random() < 0.1:
        splitter, at = Splitter(form, message=7, tools=[SCHEMA]), random.randrange(len(text) + 1)
        shown = splitter.feed(text[:at]) + splitter.feed(text[at:])
        rest, again = splitter.finish()
        assert (shown + rest, again) == (parsed.text, parsed)
