"""JSON as small models write it: read strictly, else with the usual slips forgiven.

Forgiven: Python's quotes and literals, bare keys, trailing commas, raw line breaks in strings,
unknown escapes, triple-quoted strings. Never guessed: what is missing. Text that ends inside a
value is an error, because half an argument must not become a whole one.
"""

import json
import re

from tools.call import JSON, ToolCall

_DEPTH = 60
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_LITERALS: dict[str, JSON] = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "None": None,
}  # fmt: skip
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\",
            '"': '"', "'": "'", "\n": ""}  # fmt: skip
_HEX = {"u": re.compile(r"[0-9a-fA-F]{4}"), "x": re.compile(r"[0-9a-fA-F]{2}")}


def read_json(text: str, start: int = 0) -> tuple[JSON, int]:
    """The value that begins at `start` (after white space) and the offset after it.

    Raises:
        ValueError: there is no readable value; the message says what is wrong and where.
    """
    value, end, _ = forgiven(text, start)
    return value, end


def forgiven(text: str, start: int = 0) -> tuple[JSON, int, str]:
    """As `read_json`, and what a strict reader says of it: empty where nothing was forgiven.

    Raises:
        ValueError: there is no readable value; the message says what is wrong and where.
    """
    start, slip = _skip(text, start), ""
    try:
        value, end = json.JSONDecoder(parse_constant=_refuse).raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        slip = getattr(error, "msg", "") or "it is no JSON"
        value, end = _value(text, start, 0)
    storable(value)
    return value, end, slip


def mended(identity: str, name: str, text: str) -> tuple[ToolCall, ...]:
    """The call whose arguments were written as `text`, read with its slips forgiven.

    Nothing where that does not tell what was meant. Never raises.
    """
    try:
        value, end = read_json(text)
        if isinstance(value, str) and not text[end:].strip():
            text = value
            value, end = read_json(text)
    except ValueError:
        return ()
    # Brackets too many are a slip; a second value is something else that was meant.
    if not name or not isinstance(value, dict) or text[end:].strip(" \t\r\n}]);`"):
        return ()
    return (ToolCall(identity, name, value),)


def storable(value: JSON, depth: int = _DEPTH) -> None:
    """Check that a value can be written as JSON in UTF-8 and read back the same.

    Raises:
        ValueError: it holds an infinite number or half a surrogate pair, or nests too deeply.
    """
    if depth == 0:
        raise ValueError("the value nests too deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            key.encode()
            storable(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            storable(item, depth - 1)
    else:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def arguments(text: str) -> dict[str, JSON]:
    """The arguments of a call from a provider's JSON text, read strictly; no text is no arguments.

    Raises:
        ValueError: it is not JSON, or not an object.
    """
    if not text.strip():
        return {}
    try:
        value: JSON = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the value nests too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("the arguments are no object")
    storable(value)
    return value


def _refuse(name: str) -> JSON:
    raise ValueError(f"{name} is no JSON")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, depth: int) -> tuple[JSON, int]:
    if depth > _DEPTH:
        raise ValueError("the value nests too deeply")
    opening = text[at : at + 1]
    if opening == "{":
        return _object(text, at + 1, depth + 1)
    if opening == "[":
        return _array(text, at + 1, depth + 1)
    if opening and opening in "\"'":
        return _string(text, at)
    if number := _NUMBER.match(text, at):
        return json.loads(number[0]), number.end()
    if (word := _WORD.match(text, at)) and word[0] in _LITERALS:
        return _LITERALS[word[0]], word.end()
    raise ValueError(_wanted("a value", text, at))


def _object(text: str, at: int, depth: int) -> tuple[JSON, int]:
    pairs: dict[str, JSON] = {}
    at = _skip(text, at)
    while text[at : at + 1] != "}":
        key, at = _key(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError(_wanted("':'", text, at))
        pairs[key], at = _value(text, _skip(text, at + 1), depth)
        at = _separator(text, at, "}")
    return pairs, at + 1


def _array(text: str, at: int, depth: int) -> tuple[JSON, int]:
    items: list[JSON] = []
    at = _skip(text, at)
    while text[at : at + 1] != "]":
        item, at = _value(text, at, depth)
        items.append(item)
        at = _separator(text, at, "]")
    return items, at + 1


def _separator(text: str, at: int, closing: str) -> int:
    """The offset of the next item or of the closing bracket."""
    at = _skip(text, at)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] == closing:
        return at
    raise ValueError(_wanted(f"',' or '{closing}'", text, at))


def _key(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] in ('"', "'"):
        return _string(text, at)
    if word := _WORD.match(text, at):
        return word[0], word.end()
    raise ValueError(_wanted("a key", text, at))


def _string(text: str, at: int) -> tuple[str, int]:
    quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
    at += len(quote)
    pieces: list[str] = []
    while at < len(text):
        if text.startswith(quote, at):
            return "".join(pieces), at + len(quote)
        if text[at] == "\\":
            piece, at = _escape(text, at + 1)
        else:
            piece, at = text[at], at + 1
        pieces.append(piece)
    raise ValueError("the text ends inside a string")


def _escape(text: str, at: int) -> tuple[str, int]:
    kind = text[at : at + 1]
    if kind in _ESCAPES:
        return _ESCAPES[kind], at + 1
    if kind in _HEX and (digits := _HEX[kind].match(text, at + 1)):
        return chr(int(digits[0], 16)), digits.end()
    # A regular expression in a string, most often: the backslash was meant.
    return "\\" + kind, at + 1


def _wanted(what: str, text: str, at: int) -> str:
    if at >= len(text):
        return f"the text ends where {what} should be"
    return f"{what} should be at character {at}, not {text[at]!r}"
