"""A call of the local student cannot be malformed, whatever its weights would have it say."""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.formats import FORMATS, OPENERS, Format
from agent.grammar import grammar
from agent.message import assistant, calls, user
from agent.model import Reply, answer
from agent.models.llama import LlamaModel
from agent.models.llama_call import Call
from agent.models.llama_runtime import LlamaRuntime
from agent.models.settings import ModelSettings
from agent.parse import parse
from benchmarks import untrained
from tests.agent.models.conftest import Tell
from tests.agent.schemas import unfit
from tests.agent.test_parse import rendered
from tools.call import JSON, ToolCall
from tools.registry import default_tools
from tools.schema import ToolSchema
from tools.tool import schema

HOT = ModelSettings(max_tokens=400, threads=1, temperature=1.5)
WIDE: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "mode": {"type": "string", "enum": ["fast", "slow ä", 'a "b"']},
        "level": {"enum": [1, 2.5, None, "high"]},
        "on": {"type": "boolean"},
        "range": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        "either": {"anyOf": [{"type": "null"}, {"type": "number"}, {"$ref": "#/$defs/point"}]},
        "pair": {"type": "array", "prefixItems": [{"const": "x"}, {"type": ["null", "boolean"]}]},
        "table": {"type": "object", "additionalProperties": {"type": "integer"}},
        "tag": {"type": "string", "minLength": 2, "maxLength": 4},
        "tree": {"$ref": "#/$defs/tree"},
    },
    "required": ["mode", "level", "range"],
    "$defs": {
        "point": {
            "allOf": [
                {"properties": {"x": {"type": "integer"}}, "required": ["x"]},
                {"properties": {"y": {"type": "integer"}}},
            ],
            "type": "object",
        },
        "tree": {
            "type": "object",
            "properties": {"leaves": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        },
    },
}


def tool(name: str, parameters: Mapping[str, JSON]) -> ToolSchema:
    return {
        "type": "function",
        "function": {"name": name, "description": "", "parameters": dict(parameters)},
    }


TOOLS = [
    tool("set.wide", WIDE),
    tool("nothing", {"type": "object", "properties": {}}),
    tool("anything", {}),
]
SAYING: Mapping[Format, str] = {
    "hermes": "<tool_call>",
    "xml": "<tool_call>",
    "mistral": "[TOOL_CALLS]",
    "llama3": "<|python_tag|>",
    "fenced": "```tool_call",
}


@pytest.fixture(scope="module")
def runtime(random_gguf: Path):
    with closing(LlamaRuntime(random_gguf)) as opened:
        yield opened


def fits(runtime: LlamaRuntime, form: Format, tools: Sequence[ToolSchema], text: str) -> bool:
    """Whether a text is a whole call of some tools, from its mark on."""
    mark = next((mark for mark in OPENERS[form] if text.startswith(mark)), "")
    with closing(Call(runtime, grammar(tools, form), mark)) as call:
        return call.read(text[len(mark) :]) == "" and call.complete


async def said(
    gguf: Path, form: Format, tools: Sequence[ToolSchema], hot: ModelSettings = HOT
) -> Reply:
    model = LlamaModel(gguf, settings=replace(hot, tool_format=form))
    try:
        return await answer(model, [user("x")], tools)
    finally:
        await model.close()


@pytest.mark.parametrize("form", FORMATS)
async def test_random_calls_fit_their_schemas(told: Tell, form: Format):
    """After the mark every token is as likely as the others."""
    gguf = told({"\n": [SAYING[form]]})
    tools = [*TOOLS, *(schema(one) for one in default_tools("full"))]
    whole = 0
    for seed in range(24):
        # Every fourth time one that is soon at its end.
        chosen = tools[seed % 4 :: 4] if seed % 4 else TOOLS[1:2]
        reply = await said(gguf, form, chosen, replace(HOT, seed=seed))
        assert [unfit(call, chosen) for call in calls(reply.message) if unfit(call, chosen)] == []
        if reply.malformed:
            assert reply.stop == "length"
        assert "\ufffd" not in json.dumps(reply.message.get("tool_calls", []), ensure_ascii=False)
        whole += len(calls(reply.message))
    assert whole >= 5


@pytest.mark.parametrize(
    ("form", "said_instead", "text"),
    [
        ("hermes", ["Look. ", '<tool_call>{"name": "no'], "Look. "),
        ("hermes", ["\n<tool", "_call>}"], ""),
        ("xml", ["<function=oops>"], ""),
        ("xml", ["<tool_call>\n<function=nothing>\n<param"], ""),
        ("mistral", ["[TOOL_CALLS]oops[ARGS]{"], ""),
        ("llama3", ['{"name": "oops", ', '"parameters": {"a"'], ""),
        ("llama3", ['{"parameters": ', '1, "name": '], ""),
        ("llama3", ['<|python_tag|>print("x")'], ""),
        ("fenced", ["So:\n", "```json\n{", '"name": "oops", "argu', 'ments":'], "So:"),
    ],
)
async def test_what_does_not_fit_is_taken_back(
    told: Tell, form: Format, said_instead: list[str], text: str
):
    gguf = told({"\n": said_instead})
    replies = [await said(gguf, form, TOOLS[1:2], replace(HOT, seed=seed)) for seed in range(4)]
    # By chance, which differs between processors, one may be cut before its call is whole.
    reply = next(reply for reply in replies if calls(reply.message))
    assert calls(reply.message)[0].name == "nothing"
    assert calls(reply.message)[0].arguments == {}
    assert reply.message["content"].startswith(text)
    assert "oops" not in reply.message["content"]


@pytest.mark.parametrize(
    ("form", "pieces"),
    [
        ("hermes", ["<tool_call>", '\n{"name": "nothing", "arg', 'uments": {}}\n</tool_call>']),
        ("hermes", ['I do.\n<tool_call>\n{"name": "nothing", "arguments": {}}\n</tool_call>']),
        ("xml", ["<tool_call>\n<func", "tion=nothing>\n</function>\n</tool_call>"]),
        ("xml", ["<function=nothing>", "\n</function>"]),
        ("mistral", ['[TOOL_CALLS][{"name": "nothing", "arguments": {}, "id": "abcdefgh9"}]']),
        ("mistral", ["[TOOL_CALLS]noth", "ing[ARGS]{}"]),
        ("llama3", ['{"name": "nothing", ', '"parameters": {}}']),
        ("fenced", ['```json\n{"name": "nothing", ', '"arguments": {', "}}\n```"]),
    ],
)
async def test_what_fits_stays_as_it_is(told: Tell, form: Format, pieces: list[str]):
    reply = await said(told({"\n": pieces}), form, TOOLS, replace(HOT, temperature=None))
    parsed = parse("".join(pieces), form, message=1)
    assert (reply.message, reply.stop) == (assistant(parsed.text, parsed.calls), "calls")
    assert reply.usage.output == len(pieces) + 1


@pytest.mark.parametrize(
    ("form", "pieces"),
    [
        ("hermes", ["a < b, <tool", "box> and {", '"name": "x"}']),
        ("llama3", ['{"answer": ', "42}"]),
        ("llama3", ['{"name": "package", ', '"version": 1}']),
        ("fenced", ["```json\n{", '"name": "package"}\n```', "\nThat is it."]),
    ],
)
async def test_text_stays_free(told: Tell, form: Format, pieces: list[str]):
    reply = await said(told({"\n": pieces}), form, TOOLS, replace(HOT, temperature=None))
    assert (reply.message, reply.stop) == (assistant("".join(pieces)), "end")


async def test_two_calls_and_text_between(told: Tell):
    call = '<tool_call>{"name": "nothing", "arguments": {}}</tool_call>'
    reply = await said(told({"\n": ["A. ", call, " B. ", call + " C."]}), "hermes", TOOLS)
    assert [one.name for one in calls(reply.message)][:2] == ["nothing", "nothing"]
    assert reply.message["content"].startswith("A.  B. ")


async def test_a_call_ends_the_turn_where_only_one_is_allowed(told: Tell):
    pieces = ['{"name": "nothing", "parameters": {}}', "; more"]
    reply = await said(told({"\n": pieces}), "llama3", TOOLS, replace(HOT, temperature=None))
    assert (reply.message["content"], reply.stop) == ("", "calls")
    assert len(calls(reply.message)) == 1


async def test_taking_back_keeps_the_memory_right(told: Tell):
    """What the model has in memory is what it said, not what was taken back."""
    gguf = told({"\n": ['{"name": "oops", ', '"parameters": {"a"']})
    model = LlamaModel(gguf, settings=replace(HOT, tool_format="llama3"))
    runtime = model._runtime  # pyright: ignore[reportPrivateUsage]
    reply = await answer(model, [user("x")], TOOLS[1:2])
    text = b"".join(map(runtime.vocabulary.piece, runtime.cells)).decode()
    await model.close()
    written = "".join(text.rpartition("assistant\n")[2].split())
    assert written == '{"name":"nothing","parameters":{}}'
    assert calls(reply.message) == [ToolCall("call_1_0", "nothing")]


async def test_cancelling_inside_a_call(told: Tell):
    text = tool("note", {"properties": {"text": {"type": "string"}}, "required": ["text"]})
    model = LlamaModel(told({"\n": ["<tool_call>"]}), settings=replace(HOT, temperature=None))
    runtime = model._runtime  # pyright: ignore[reportPrivateUsage]
    task = asyncio.create_task(answer(model, [user("x")], [text]))
    while len(runtime.cells) < 80:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reached = len(runtime.cells)
    await asyncio.sleep(0.2)
    assert len(runtime.cells) <= reached + 1
    await model.close()


STRINGS = st.text(st.sampled_from("ab \n\t\"'\\{}[]<>/=`,:ä🦆\x7f")) | st.text(
    st.characters(exclude_categories=["Cs"])
)
FREE: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.floats(-1e9, 1e9).map(lambda number: round(number, 3))
POINTS = st.fixed_dictionaries({"x": st.integers(0, 9)}, optional={"y": st.integers(0, 9)})
PAIRS: list[JSON] = [["x", None], ["x", True]]
TREE: JSON = {"leaves": [{}, {"leaves": []}]}
# In the order of the schema, as everything is written.
WIDE_VALUES: Mapping[str, st.SearchStrategy[JSON]] = {
    "mode": st.sampled_from(["fast", "slow ä", 'a "b"']),
    "level": st.sampled_from([1, 2.5, None, "high"]),
    "on": st.booleans(),
    "range": st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=3).map(list[JSON]),
    "either": st.one_of(
        st.none(), NUMBERS, POINTS.map(lambda point: dict[str, JSON](sorted(point.items())))
    ),
    "pair": st.sampled_from(PAIRS),
    "table": st.dictionaries(STRINGS, st.integers(0, 9), max_size=2).map(dict[str, JSON]),
    "tag": st.text("aä🦆", min_size=2, max_size=4),
    "tree": st.just(TREE),
}


@st.composite
def wide_arguments(draw: st.DrawFn) -> dict[str, JSON]:
    needed = cast("list[str]", WIDE["required"])
    return {
        name: draw(values)
        for name, values in WIDE_VALUES.items()
        if name in needed or draw(st.booleans())
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FORMATS), st.data())
def test_valid_calls_fit(runtime: LlamaRuntime, form: Format, data: st.DataObject):
    values = st.dictionaries(STRINGS, FREE, max_size=3)
    if data.draw(st.booleans()) or form == "xml":
        call = ToolCall("000000000", "set.wide", data.draw(wide_arguments()))
    else:
        call = ToolCall("000000000", "anything", data.draw(values))
    assert not unfit(call, TOOLS)
    assert fits(runtime, form, TOOLS, rendered(form, [call]))


@pytest.mark.parametrize(
    "arguments",
    [
        '{"mode": "fast", "level": 1}',
        '{"mode": "fast", "level": 1, "range": []}',
        '{"mode": "fast", "level": 1, "range": [1, 2, 3, 4]}',
        '{"mode": "fast", "level": 1, "range": [1.5]}',
        '{"mode": "fast", "level": 1, "range": [01]}',
        '{"mode": "other", "level": 1, "range": [1]}',
        '{"mode": "fast", "level": "1", "range": [1]}',
        '{"mode": "fast", "level": 1, "range": [1], "more": 1}',
        '{"mode": "fast", "level": 1, "range": [1], "on": null}',
        '{"mode": "fast", "level": 1, "range": [1], "either": "x"}',
        '{"mode": "fast", "level": 1, "range": [1], "either": {"y": 1}}',
        '{"mode": "fast", "level": 1, "range": [1], "either": 1e999}',
        '{"mode": "fast", "level": 1, "range": [1], "pair": ["x"]}',
        '{"mode": "fast", "level": 1, "range": [1], "table": {"a": "b"}}',
        '{"mode": "fast", "level": 1, "range": [1], "tag": "abcde"}',
        '{"mode": "fast", "level": 1, "range": [1], "tree": {"leaves": [1]}}',
        '{"mode": "fast", "level": 1, "range": [1],}',
        '{"mode": "fast" "level": 1, "range": [1]}',
        "[]",
    ],
)
def test_wrong_calls_do_not_fit(runtime: LlamaRuntime, arguments: str):
    text = '<tool_call>\n{"name": "set.wide", "arguments": ' + arguments + "}\n</tool_call>"
    assert not fits(runtime, "hermes", TOOLS, text)


@pytest.mark.parametrize("properties", [{}, {"properties": {}}, {"properties": {"b": {}}}])
def test_what_is_demanded_but_not_described(runtime: LlamaRuntime, properties: dict[str, JSON]):
    tools = [tool("f", {"required": ["a"], **properties})]

    def call(arguments: str) -> str:
        return f'{{"name": "f", "parameters": {arguments}}}'

    assert fits(runtime, "llama3", tools, call('{"a": [1]}'))
    assert not fits(runtime, "llama3", tools, call("{}"))


@pytest.mark.parametrize("inner", ["\\ud800", "\\udc00", "\\ud800\\u0041", "\n", "\x00", "\\x"])
def test_half_characters_and_raw_ones_do_not_fit(runtime: LlamaRuntime, inner: str):
    def call(text: str) -> str:
        return f'<tool_call>{{"name": "anything", "arguments": {{"a": "{text}"}}}}</tool_call>'

    assert fits(runtime, "hermes", TOOLS, call("\\ud83e\\udd86\\n\\u0041 ä"))
    assert not fits(runtime, "hermes", TOOLS, call(inner))


def test_no_parameter_ends_early(runtime: LlamaRuntime):
    tools = [tool("note", {"properties": {"text": {"type": "string"}}, "required": ["text"]})]

    def call(text: str) -> str:
        inside = f"<function=note>\n<parameter=text>\n{text}\n</parameter>\n</function>"
        return f"<tool_call>\n{inside}\n</tool_call>"

    for text in ("", "a < b </param </p</parameter", "<</paramete>", "</function>\n</tool_call>"):
        assert fits(runtime, "xml", tools, call(text))
        assert parse(call(text), "xml", tools=tools).calls[0].arguments == {"text": text}
    assert not fits(runtime, "xml", tools, call("a</parameter>b"))


@pytest.mark.skipif(not untrained.SHARED.is_dir(), reason="needs the vocabulary of Qwen2")
def test_bytes_that_are_no_text_do_not_fit(tmp_path: Path):
    """llama.cpp lets through what joins tokens to an overlong code: no reader knows it."""
    gguf = untrained.write(tmp_path / "untrained.gguf", untrained.SMALL)
    with closing(LlamaRuntime(gguf)) as runtime, runtime.chooser(1.0, 0) as choose:
        runtime.feed(runtime.vocabulary.tokens("x"), threading.Event())
        with closing(Call(runtime, grammar(TOOLS, "llama3"), "")) as call:
            assert call.read('{"name": "anything", "parameters": {"a": "') == ""
            first, wrong = runtime.vocabulary.spelling.singles[0xE0], 7492
            assert runtime.vocabulary.piece(wrong) == b"\x82\xac"
            assert choose(lambda token, chain: call.judge(first, chain)) == first
            following = choose(lambda token, chain: call.judge(wrong, chain))
            assert 0xA0 <= runtime.vocabulary.piece(following)[0] <= 0xBF


def test_two_tools_may_use_the_same_name_for_different_things(runtime: LlamaRuntime):
    tools = [
        tool(name, {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": kind}}})
        for name, kind in (("f", "integer"), ("g", "string"))
    ]

    def call(name: str, value: str) -> str:
        return f'{{"name": "{name}", "parameters": {{"a": {value}}}}}'

    assert fits(runtime, "llama3", tools, call("f", "1"))
    assert fits(runtime, "llama3", tools, call("g", '"x"'))
    assert not fits(runtime, "llama3", tools, call("g", "1"))


KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "required", "$ref",
     "minItems", "maxItems", "minLength", "prefixItems", "additionalProperties", "$defs", "a"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["object", "array", "string", "integer", "null", "strange", "#/properties/a", "#", "a"]
)
SCHEMAS: st.SearchStrategy[JSON] = st.recursive(
    WORDS | st.booleans() | st.none() | st.integers(-1, 300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYWORDS, SCHEMAS, max_size=5), st.text(), st.sampled_from(FORMATS))
def test_any_schema_gives_a_grammar(
    runtime: LlamaRuntime, parameters: dict[str, JSON], name: str, form: Format
):
    made = grammar([tool(name, parameters)], form)
    for mark in made.roots:
        Call(runtime, made, mark).close()


def test_the_grammar_is_made_once():
    tools = [schema(one) for one in default_tools("full")]
    assert grammar(tools, "hermes") is grammar(list(tools), "hermes")
    assert grammar(tools, "hermes") is not grammar(tools[:3], "hermes")
