"""Whether a value is what a JSON schema says: written apart from the grammar that it judges."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from tools.call import ToolCall
from tools.schema import ToolSchema

Schema = Mapping[str, Any]
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "object": dict,
    "array": list,
}


def unfit(call: ToolCall, tools: Sequence[ToolSchema]) -> str:
    """What is wrong with a call; nothing if it is fine. Undeclared arguments are wrong."""
    for tool in tools:
        if tool["function"]["name"] == call.name:
            schema: Schema = {"type": "object", **tool["function"]["parameters"]}
            return wrong(call.arguments, schema, schema)
    return f"there is no tool {call.name!r}"


def wrong(value: Any, schema: Any, root: Schema) -> str:
    """What is wrong with a value; nothing if it is fine."""
    if not isinstance(schema, dict):
        return ""
    known = cast("Schema", schema)
    return next((text for rule in _RULES for text in rule(value, known, root)), "")


def referred(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    if "$ref" in schema:
        found: Any = root
        for step in str(schema["$ref"]).split("/")[1:]:
            found = found[step]
        yield from filter(None, [wrong(value, found, root)])


def listed(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    allowed: list[Any] = [schema["const"]] if "const" in schema else schema.get("enum", [value])
    # Python takes True for 1.
    if not any(
        value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed
    ):
        yield f"{value!r} is none of {allowed!r}"


def combined(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    for key in ("anyOf", "oneOf"):
        if key in schema and all(wrong(value, one, root) for one in schema[key]):
            yield f"{value!r} fits none of {key}"
    for part in schema.get("allOf", []):
        # What one part does not declare another may.
        yield from filter(None, [wrong(value, {"additionalProperties": True, **part}, root)])


def typed(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    kinds: Any = schema.get("type", [])
    names: list[str] = [kinds] if isinstance(kinds, str) else kinds
    if names and not any(of_kind(value, name) for name in names):
        yield f"{value!r} is no {' or '.join(names)}"


def of_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind in ("integer", "number"):
        return False
    return kind not in _KINDS or isinstance(value, _KINDS[kind])


def sized(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    for kind, what in ((str, "Length"), (list, "Items")):
        if isinstance(value, kind):
            size = len(cast("str | list[Any]", value))
            if not schema.get(f"min{what}", 0) <= size <= schema.get(f"max{what}", size):
                yield f"{value!r} has the wrong length"


def items(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    if isinstance(value, list):
        values = cast("list[Any]", value)
        first: list[Any] = schema.get("prefixItems", [])
        if first and len(values) != len(first):
            yield f"{value!r} has the wrong length"
            return
        for item, one in zip(values, first or [schema.get("items")] * len(values), strict=True):
            yield from filter(None, [wrong(item, one, root)])


def properties(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    if isinstance(value, dict):
        values, known = cast("dict[str, Any]", value), schema.get("properties")
        extra: Any = schema.get("additionalProperties", known is None)
        yield from (
            f"there is no {name!r}" for name in schema.get("required", ()) if name not in values
        )
        for name, item in values.items():
            if name not in (known or {}) and extra is False:
                yield f"{name!r} is not declared"
            else:
                yield from filter(None, [wrong(item, (known or {}).get(name, extra), root)])


_RULES: Sequence[Callable[[Any, Schema, Schema], Iterator[str]]] = (
    referred, listed, combined, typed, sized, items, properties,
)  # fmt: skip
