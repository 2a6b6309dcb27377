"""JSON schemas as rules of a GBNF grammar."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from tools.call import JSON

Schema = Mapping[str, JSON]
_Reader = Callable[[Schema, Schema, int], str | None]

_DEPTH = 12
"""Levels below which a schema that contains itself is not followed; readers refuse 60."""
_MOST = 200
"""The longest repetition that is spelled out: llama.cpp makes a rule of every step."""

# Characters are listed, not excluded: llama.cpp takes an excluding class for satisfied by bytes
# that no text holds. Half a surrogate pair is no character, so an escape names a whole one.
_BASIC = r"""
ws ::= | " " | "\n" [ \t]{0,20}
char ::= [ !#-\x5B\x5D-\uD7FF\uE000-\U0010FFFF] | "\\" escape
escape ::= ["\\/bfnrt] | "u" code
code ::= [0-9a-cA-CefEF] hex hex hex | [dD] [0-7] hex hex | [dD] [89abAB] hex hex "\\u" [dD] low
low ::= [c-fC-F] hex hex
hex ::= [0-9a-fA-F]
string ::= "\"" char* "\""
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
number ::= integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
scalar ::= string | number | boolean | null
id ::= [a-zA-Z0-9]{9}
"""


class Rules:
    """Rules, named as they come; the same rule is kept once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._defined: dict[str, str] = {}
        self._made: dict[str, str | None] = {}
        # The first of these that a schema has says how it is read.
        self._keywords: Sequence[tuple[str, type[object], _Reader]] = (
            ("$ref", str, self._reference),
            ("const", object, self._constant),
            ("enum", list, self._enum),
            ("anyOf", list, self._alternatives),
            ("oneOf", list, self._alternatives),
            ("allOf", list, self._all),
            ("type", list, self._types),
            ("type", str, self._typed),
            ("properties", dict, self._object),
            ("items", object, self._array),
        )

    def lines(self) -> list[str]:
        """Everything that was added, and what it rests on."""
        return [
            *_BASIC.strip().splitlines(),
            *(f"{name} ::= {body}" for name, body in self._defined.items()),
            *(f"{name} ::= {body}" for body, name in self._names.items()),
        ]

    def add(self, body: str) -> str:
        """The name of a rule."""
        return self._names.setdefault(body, f"r{len(self._names)}")

    def define(self, name: str, body: str) -> None:
        """Add a rule under a name of its own, so that it may name itself."""
        self._defined[name] = body

    def either(self, rules: Sequence[str | None]) -> str | None:
        """What any of the rules writes; None where there is none."""
        possible = list(dict.fromkeys(rule for rule in rules if rule))
        return self.add(" | ".join(possible)) if possible else None

    def literal(self, text: str) -> str:
        """A text, quoted."""
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(_SHOWN.get(letter, letter) for letter in quoted) + '"'

    def value(self, schema: JSON, root: Schema, depth: int = _DEPTH) -> str | None:
        """What writes a value of a schema as JSON; None where nothing within reach does.

        Args:
            schema: what it does not know in there it takes for unrestricted.
            root: where `$ref` looks.
            depth: levels that may still be gone down.
        """
        if not isinstance(schema, dict) or not schema:
            return self._any(depth)
        memory = json.dumps([schema, depth])
        if '"$ref"' in memory:
            # What it refers to is another in another tool.
            memory += json.dumps(root)
        if memory not in self._made:
            known = (
                read
                for key, kind, read in self._keywords
                if key in schema and isinstance(schema[key], kind)
            )
            read = next(known, None)
            self._made[memory] = read(schema, root, depth) if read else self._any(depth)
        return self._made[memory]

    def _any(self, depth: int) -> str:
        if depth <= 0:
            return "scalar"
        inner = self._any(depth - 1)
        return self.add(f"scalar | {self._mapping(inner)} | {self._list(inner, 0, None)}")

    def _mapping(self, inner: str) -> str:
        pair = self.add(f'string ":" ws {inner}')
        return self.add(f'"{{" ws ({pair} ("," ws {pair})* ws)? "}}"')

    def _list(self, inner: str, least: int, most: int | None) -> str:
        if most == 0:
            return self.add('"[" ws "]"')
        upper = "" if most is None else str(most - 1)
        some = f'{inner} ("," ws {inner}){{{max(least - 1, 0)},{upper}}} ws'
        return self.add(f'"[" ws {some if least else f"({some})?"} "]"')

    # What follows reads one keyword each.

    def _reference(self, schema: Schema, root: Schema, depth: int) -> str | None:
        found: JSON = dict(root)
        for step in str(schema["$ref"]).removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, dict) else None
        return self.value(found, root, depth - 1) if depth > 0 else None

    def _constant(self, schema: Schema, root: Schema, depth: int) -> str | None:
        return self.add(self.literal(json.dumps(schema["const"], ensure_ascii=False)))

    def _enum(self, schema: Schema, root: Schema, depth: int) -> str | None:
        rest = {name: value for name, value in schema.items() if name != "enum"}
        values = [value for value in cast("list[JSON]", schema["enum"]) if allowed(value, rest)]
        if not values and "type" in rest:
            # It contradicts itself, and a type is less often wrong.
            return self.value(rest, root, depth)
        return self.either(
            [self.literal(json.dumps(value, ensure_ascii=False)) for value in values]
        )

    def _alternatives(self, schema: Schema, root: Schema, depth: int) -> str | None:
        key = "anyOf" if isinstance(schema.get("anyOf"), list) else "oneOf"
        rest = {name: value for name, value in schema.items() if name != key}
        return self.either(
            [
                self.value(_merged(rest, choice), root, depth)
                for choice in cast("list[JSON]", schema[key])
            ]
        )

    def _all(self, schema: Schema, root: Schema, depth: int) -> str | None:
        whole = {name: value for name, value in schema.items() if name != "allOf"}
        for part in cast("list[JSON]", schema["allOf"]):
            whole = _merged(whole, part)
        return self.value(whole, root, depth)

    def _typed(self, schema: Schema, root: Schema, depth: int) -> str | None:
        kind = str(schema["type"])
        if kind in ("integer", "number", "boolean", "null"):
            return kind
        read = {"string": self._string, "object": self._object, "array": self._array}.get(kind)
        return read(schema, root, depth) if read else self._any(depth)

    def _types(self, schema: Schema, root: Schema, depth: int) -> str | None:
        kinds = cast("list[JSON]", schema["type"])
        return self.either([self.value({**schema, "type": k}, root, depth) for k in kinds])

    def _string(self, schema: Schema, root: Schema, depth: int) -> str | None:
        least, most = _bounds(schema, "Length")
        if (least, most) == (0, None):
            return "string"
        return self.add(rf'"\"" char{{{least},{"" if most is None else most}}} "\""')

    def _array(self, schema: Schema, root: Schema, depth: int) -> str | None:
        if isinstance(first := schema.get("prefixItems"), list):
            parts = [self.value(item, root, depth - 1) for item in first]
            body = ' "," ws '.join(part for part in parts if part)
            return None if None in parts else self.add(f'"[" ws {body} ws "]"')
        least, most = _bounds(schema, "Items")
        inner = self.value(schema.get("items"), root, depth - 1) if depth > 0 else None
        if inner is None:
            return None if least else self._list("", 0, 0)
        return self._list(inner, least, most)

    def _object(self, schema: Schema, root: Schema, depth: int) -> str | None:
        if depth <= 0:
            return None
        properties = declared(schema)
        if properties is None:
            extra = schema.get("additionalProperties", True)
            inner = self.value(extra, root, depth - 1) if extra is not False else None
            return self._mapping(inner) if inner else self.add('"{" ws "}"')
        needed, pairs = required(schema), list[tuple[str, bool]]()
        for name, value in properties.items():
            rule = self.value(value, root, depth - 1)
            if rule:
                key = self.literal(json.dumps(name, ensure_ascii=False) + ":")
                pairs.append((self.add(f"{key} ws {rule}"), name in needed))
            elif name in needed:
                return None
        return self.add(f'"{{" ws {self._pairs(pairs)}')

    def _pairs(self, pairs: Sequence[tuple[str, bool]]) -> str:
        """Pairs in their order and the closing bracket; `first` has no comma before it."""
        first, more = '"}"', 'ws "}"'
        for pair, required in reversed(pairs):
            here = f"{pair} {more}"
            first = self.add(here if required else f"{here} | {first}")
            next_one = f'"," ws {here}'
            more = self.add(next_one if required else f"{next_one} | {more}")
        return first


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "object": dict,
    "array": list,
}
_SHOWN = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\x00"}


def allowed(value: JSON, schema: Schema) -> bool:
    """Whether the type of a schema, where it names a plain one, lets a value be."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return any(allowed(value, {"type": one}) for one in kind)
    known = _TYPES.get(kind) if isinstance(kind, str) else None
    if isinstance(value, bool):
        return known in (None, bool)
    return known is None or isinstance(value, known)


def _merged(schema: Schema, other: JSON) -> dict[str, JSON]:
    """A schema that asks for what both ask for, as far as they do not contradict each other."""
    if not isinstance(other, dict):
        return dict(schema)
    merged: dict[str, JSON] = {**schema, **other}
    ours, theirs = schema.get("properties"), other.get("properties")
    if isinstance(ours, dict) and isinstance(theirs, dict):
        merged["properties"] = {**ours, **theirs}
    if "required" in merged:
        merged["required"] = [*required(schema), *required(other)]
    return merged


def declared(schema: Schema) -> Mapping[str, JSON] | None:
    """The arguments that a schema names, with their schemas; None where it names none."""
    found = schema.get("properties")
    properties = found if isinstance(found, dict) else {}
    # Some schemas demand what they do not describe.
    demanded = {name: True for name in required(schema) if name not in properties}
    return {**properties, **demanded} if demanded or isinstance(found, dict) else None


def required(schema: Schema) -> Sequence[str]:
    """The names of the arguments that must be there."""
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _bounds(schema: Schema, what: str) -> tuple[int, int | None]:
    """The least and the most of something, as far as llama.cpp can count."""
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    low = min(max(least, 0), _MOST) if isinstance(least, int) else 0
    return low, most if isinstance(most, int) and low <= most <= _MOST else None
