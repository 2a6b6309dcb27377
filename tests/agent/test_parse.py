import json
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.formats import FORMATS, Format, format_of
from agent.model import Malformed
from agent.parse import Parsed, Splitter, parse
from tools.call import JSON, ToolCall
from tools.schema import ToolSchema

SCHEMA: ToolSchema = {
    "type": "function",
    "function": {
        "name": "write_file",
        "description": "Write.",
        "parameters": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "content": {"type": "string"},
                "count": {"type": "integer"},
                "deep": {"type": "object"},
            },
        },
    },
}


def rendered(form: Format, calls: list[ToolCall]) -> str:
    """The calls as the chat templates of a format write them, after an empty content."""
    objects = [
        json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
        for call in calls
    ]
    if form == "hermes":
        return "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in objects)
    if form == "mistral":
        listed = [
            text[:-1] + f', "id": "{call.id}"}}' for text, call in zip(objects, calls, strict=True)
        ]
        return "[TOOL_CALLS][" + ", ".join(listed) + "]"
    if form == "llama3":
        body = json.dumps(calls[0].arguments, ensure_ascii=False)
        return f'{{"name": "{calls[0].name}", "parameters": {body}}}'
    if form == "fenced":
        return "\n".join(f"```json\n{text}\n```" for text in objects)
    return "\n".join(map(xml, calls))


def xml(call: ToolCall) -> str:
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in call.arguments.items()
    }
    lines = "".join(f"<parameter={key}>\n{text}\n</parameter>\n" for key, text in texts.items())
    return f"<tool_call>\n<function={call.name}>\n{lines}</function>\n</tool_call>"


def identity(form: Format, number: int) -> str:
    return f"{7:06}{number:03}" if form == "mistral" else f"call_7_{number}"


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True)
CODE = st.text(st.sampled_from("ab \n\t\"'\\{}[]<>/=`,:ä🦆")) | st.text(
    st.characters(exclude_categories=["Cs"])
)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | CODE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CODE, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(CODE, VALUES, max_size=4)
TYPED = st.fixed_dictionaries(
    {},
    optional={
        "path": CODE,
        "content": CODE.filter(lambda text: "</parameter>" not in text),
        "count": st.integers(),
        "deep": st.dictionaries(NAMES, st.booleans() | st.integers() | NAMES, max_size=3),
    },
)


@given(st.sampled_from(FORMATS), st.data())
def test_valid_calls_come_back_exactly(form: Format, data: st.DataObject):
    amount = data.draw(st.integers(1, 1 if form == "llama3" else 3))
    shapes = cast("st.SearchStrategy[dict[str, JSON]]", TYPED) if form == "xml" else ARGUMENTS
    name = st.just("write_file") if form == "xml" else NAMES
    calls = [
        ToolCall(identity(form, number), data.draw(name), data.draw(shapes))
        for number in range(amount)
    ]
    before = data.draw(st.sampled_from(["", "I do it.", "So:\n", " \n\n"]))
    if form == "llama3":
        before = ""
    text = before + "\n" * bool(before) + rendered(form, calls)
    assert parse(text, form, message=7, tools=[SCHEMA]) == Parsed(before, tuple(calls))


PIECES = st.sampled_from(
    [
        "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[", "]", "{", "}", '"name"', ":", '"x"',
        '"arguments"', '"parameters"', ",", "<function=f>", "</function>", "<parameter=p>",
        "</parameter>", "```json", "```", "\n", "<|python_tag|>", "'", '"', "\\", "null",
        "1e999", "NaN", "\\ud800", "9" * 5000, "[" * 2000, "<tool", "text ",
        '{"name": "f", "arguments": {}}',
    ]
)  # fmt: skip
WILD = st.text() | st.lists(PIECES, max_size=25).map("".join)


@given(WILD, st.sampled_from(FORMATS))
def test_any_text_is_read_without_an_error(text: str, form: Format):
    parsed = parse(text, form, tools=[SCHEMA])
    for call in parsed.calls:
        json.dumps(call.arguments, ensure_ascii=False, allow_nan=False).encode()
    if not parsed.calls and not parsed.malformed:
        assert parsed.text == text


@given(st.data(), st.sampled_from(FORMATS))
def test_mutated_calls_are_read_without_an_error(data: st.DataObject, form: Format):
    text = rendered(form, [ToolCall(identity(form, 0), "f", data.draw(ARGUMENTS))])
    at = data.draw(st.integers(0, len(text)))
    parse(text[:at] + data.draw(WILD) + text[at + data.draw(st.integers(0, 9)) :], form)


@given(WILD, st.sampled_from(FORMATS), st.data())
def test_pieces_give_what_the_whole_gives(text: str, form: Format, data: st.DataObject):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    splitter = Splitter(form, message=3, tools=[SCHEMA])
    pairs = zip([0, *cuts], [*cuts, len(text)], strict=True)
    shown = "".join(splitter.feed(text[start:end]) for start, end in pairs)
    rest, parsed = splitter.finish()
    assert parsed == parse(text, form, message=3, tools=[SCHEMA])
    assert shown + rest == parsed.text


@pytest.mark.parametrize("form", FORMATS)
def test_plain_text_is_shown_as_it_comes(form: Format):
    splitter = Splitter(form)
    assert splitter.feed("Let me look") == "Let me look"
    assert splitter.feed(" at it.") == " at it."
    assert splitter.finish() == ("", Parsed("Let me look at it."))


def test_a_call_is_held_back_from_its_first_character():
    splitter = Splitter("hermes")
    shown = [splitter.feed(piece) for piece in ["Now.\n<", "tool", '_call>{"name"', ': "f"}']]
    assert shown == ["Now.", "", "", ""]
    assert splitter.finish() == ("", Parsed("Now.", (ToolCall("call_0_0", "f"),)))


def test_a_false_start_is_shown():
    splitter = Splitter("hermes")
    assert splitter.feed("a\n<tool") == "a"
    assert splitter.feed("box> b") == "\n<toolbox> b"


@pytest.mark.parametrize(
    "body",
    [
        "{'name': 'f', 'arguments': {'a': True, 'b': None}}",
        '{"name": "f", "arguments": {"a": true, "b": null,},}',
        '{"name": "f", "arguments": "{\\"a\\": true, \\"b\\": null}"}',
        '{name: "f", parameters: {a: true, "b": null}}',
        '{"function": {"name": "f", "arguments": {"a": true, "b": null}}}',
        '{"name": "f", "arguments": {"a": true, "b": null}}}',
    ],
)
@pytest.mark.parametrize("close", ["\n</tool_call>", "</tool_call>\n", ""])
def test_usual_slips_are_forgiven(body: str, close: str):
    if not close and body.endswith("}}}"):
        close = "</tool_call>"
    parsed = parse(f"<tool_call>\n{body}{close}", "hermes")
    call = ToolCall("call_0_0", "f", {"a": True, "b": None})
    assert (parsed.text, parsed.calls, parsed.malformed) == ("", (call,), None)
    strict = body.startswith('{"function"') or '\\"' in body
    assert (parsed.slip is None) == strict
    assert parsed.events == [
        call if strict else replace(cast("Malformed", parsed.slip), calls=(call,))
    ]


def test_code_in_arguments_keeps_its_bytes():
    text = '<tool_call>{"name": "f", "arguments": {"a": "x\n\ty", "b": """p\nq""", "c": "\\d"}}'
    assert parse(text, "hermes").calls[0].arguments == {"a": "x\n\ty", "b": "p\nq", "c": "\\d"}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("hermes", '<tool_call>\n{"name": "write_file", "arguments": {"content": "half'),
        ("hermes", '<tool_call>{"arguments": {}}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": [1]}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": "\\ud800"}}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": ' + "[" * 99 + "]" * 99 + "}}"),
        ("xml", "<tool_call>\n<function=f>\n<parameter=a>\nhalf"),
        ("xml", "<tool_call>\nnothing\n</tool_call>"),
        ("mistral", '[TOOL_CALLS][{"name": "f", "arguments": {"a": "half'),
        ("mistral", "[TOOL_CALLS][]"),
        ("llama3", '{"name": "f", "parameters": {"a": "half'),
        ("llama3", '{"name": "f", "parameters": {}}; {"name": "g", "parameters": {}}'),
        ("llama3", "<|python_tag|>"),
        ("fenced", '```json\n{"name": "f", "arguments": {"a": "half'),
    ],
)
def test_what_is_half_or_wrong_is_malformed(form: Format, text: str):
    parsed = parse("Look.\n" * (form != "llama3") + text, form)
    assert parsed.calls == ()
    assert parsed.malformed
    assert parsed.malformed.text == text
    assert parsed.malformed.reason


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("llama3", '{"answer": 42}'),
        ("llama3", '{"name": "package", "version": 1}'),
        ("fenced", 'Settings:\n```json\n{"name": "x", "version": 1}\n```\nDone.'),
        ("fenced", "```json"),
        ("fenced", "```python\nprint()\n```"),
        ("hermes", "a < b and <tool>"),
    ],
)
def test_other_json_stays_text(form: Format, text: str):
    assert parse(text, form) == Parsed(text)


def test_a_good_call_beside_a_bad_one():
    parsed = parse('<tool_call>oops</tool_call>\n<tool_call>{"name": "f"}</tool_call>', "hermes")
    assert [call.name for call in parsed.calls] == ["f"]
    assert parsed.malformed
    assert parsed.malformed.text == "<tool_call>oops</tool_call>"


def test_newer_mistral_form():
    text = '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]abcdefgh9[ARGS]{}'
    assert parse(text, "mistral").calls == (
        ToolCall("000000000", "f", {"a": 1}),
        ToolCall("abcdefgh9", "g"),
    )


def test_xml_types_come_from_the_schema():
    text = (
        "<tool_call>\n<function=write_file>\n<parameter=path>\n5\n</parameter>\n"
        "<parameter=count>\n5\n</parameter>\n<parameter=deep>\nTrue\n</parameter>\n"
        "<parameter=content>\na </parameter> b\n\n</parameter>\n</function>\n</tool_call>"
    )
    assert parse(text, "xml", tools=[SCHEMA]).calls[0].arguments == {
        "path": "5", "count": 5, "deep": True, "content": "a </parameter> b\n",
    }  # fmt: skip


@pytest.mark.parametrize("end", ["", "\n", "\n</fun", "\n<parameter=b", "\n</tool_"])
def test_xml_that_was_cut_between_parameters_is_no_call(end: str):
    text = "<tool_call>\n<function=f>\n<parameter=a>\nx\n</parameter>" + end
    assert parse(text, "xml") == Parsed("", (), Malformed(text, "the text ends inside the call"))


@pytest.mark.parametrize("text", ["5", "null ", "hello", "none"])
def test_xml_text_that_may_be_null(text: str):
    kinds: JSON = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    tool = {"name": "f", "description": "", "parameters": {"properties": {"a": kinds}}}
    call = "<function=f>\n<parameter=a>\n%s\n</parameter>\n</function>"
    tools = cast("list[ToolSchema]", [{"type": "function", "function": tool}])
    assert parse(call % text, "xml", tools=tools).calls[0].arguments == {"a": text}
    assert parse(call % "null", "xml", tools=tools).calls[0].arguments == {"a": None}


def test_a_call_does_not_reach_beyond_its_fence():
    text = '```json\n{"a": 1}\n```\nThe "name": x, the "arguments": y.'
    assert parse(text, "fenced") == Parsed(text)


def test_xml_without_closing_tags():
    text = "<function=f>\n<parameter=a>\nx\n<parameter=b>\ny</function>"
    assert parse(text, "xml").calls == (ToolCall("call_0_0", "f", {"a": "x", "b": "y"}),)


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("{{ '[TOOL_CALLS][' }}", "mistral"),
        ("<tool_call><function=a>", "xml"),
        ("<tool_call>{{ x }}</tool_call>", "hermes"),
        ("""<|start_header_id|>{{ '"parameters": ' }}""", "llama3"),
        ("{{ messages }}", "fenced"),
    ],
)
def test_the_template_names_the_format(template: str, form: Format):
    assert format_of(template) == form
