"""Arguments that stand as plain text between tags, in rules of a GBNF grammar."""

import itertools
import json
from collections.abc import Sequence

from agent.lenient import read_json
from agent.schema_rules import Rules, Schema, allowed, declared, required
from tools.call import JSON

_CLOSING = "</parameter>"


def written(schema: JSON) -> str:
    """How a value of a schema stands: as `text`, as `text or null`, or as `json`."""
    if not isinstance(schema, dict):
        return "json"
    kinds, choices = schema.get("type"), schema.get("anyOf")
    if isinstance(choices, list):
        kinds = [choice.get("type") for choice in choices if isinstance(choice, dict)]
    if kinds == "string":
        return "text"
    return "text or null" if kinds in (["string", "null"], ["null", "string"]) else "json"


def texts(rules: Rules, schema: Schema) -> str:
    """What writes the arguments of a schema one by one, each between its tags."""
    for name, body in _until("text", _CLOSING):
        rules.define(name, body)
    properties = declared(schema)
    if properties is None:
        start, end = rules.literal("<parameter="), rules.literal(">\n")
        some = f"(ws {start} [a-zA-Z_] [a-zA-Z0-9_.-]{{0,60}} {end} text)*"
        return '""' if schema.get("additionalProperties") is False else some
    needed, parts = required(schema), list[str]()
    for name, inner in properties.items():
        value = _text(rules, inner, schema) or ("text" if name in needed else "")
        if value:
            part = rules.add(f"ws {rules.literal(f'<parameter={name}>' + chr(10))} {value}")
            parts.append(part if name in needed else f"{part}?")
    return rules.add(" ".join(parts) or '""')


def _text(rules: Rules, schema: JSON, root: Schema) -> str | None:
    """A value and the tag that closes it."""
    if isinstance(schema, dict) and isinstance(values := schema.get("enum"), list):
        words = _words([value for value in values if allowed(value, schema)], written(schema))
        return rules.either([rules.literal(f"{word}\n{_CLOSING}") for word in words])
    if written(schema) != "json":
        return "text"
    value = rules.value(schema, root)
    return value and f"{value} ws {rules.literal(_CLOSING)}"


def _words(values: Sequence[JSON], how: str) -> list[str]:
    """Values as text; quotes only where they would be taken for something else."""
    return [
        value
        if isinstance(value, str) and (how == "text" or not _readable(value))
        else json.dumps(value, ensure_ascii=False)
        for value in values
    ]


def _readable(text: str) -> bool:
    try:
        read_json(text)
    except ValueError:
        return False
    return True


def _until(name: str, closing: str) -> list[tuple[str, str]]:
    """Rules for any text up to the first `closing`, whose first letter does not come again in it.

    One rule for each letter that was seen of it.
    """
    rules: list[tuple[str, str]] = []
    for seen, letter in enumerate(closing):
        here, after = (f"{name}{at or ''}" for at in (seen, seen + 1))
        step = f'"{letter}"' if seen + 1 == len(closing) else f'"{letter}" {after}'
        again = f' | "{closing[0]}" {name}1' if seen else ""
        other = "".join(sorted({letter, closing[0]}))
        rules.append((here, f"{step}{again} | {_besides(other)} {name}"))
    return rules


def _besides(letters: str) -> str:
    """A class of every character but some of ASCII, in their order."""
    ends = [0, *map(ord, letters)]
    ranges = [
        f"\\x{low + 1:02X}-\\x{high - 1:02X}"
        for low, high in itertools.pairwise([*ends, 0x80])
        if low + 1 < high
    ]
    return "[" + "".join(ranges) + "\\u0080-\\uD7FF\\uE000-\\U0010FFFF]"
