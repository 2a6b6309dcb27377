"""A call has begun where, and only where, the reader will find one."""

import json
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.formats import FORMATS, OPENERS, Format, begun
from agent.parse import parse
from tests.agent.test_parse import WILD, identity, rendered
from tools.call import ToolCall


@given(WILD, st.sampled_from(FORMATS))
def test_what_is_read_as_a_call_has_begun(text: str, form: Format):
    parsed = parse(text, form)
    found = begun(text, form, bare=True)
    if parsed.calls or parsed.malformed:
        assert found
    elif found:
        # Its mark says enough, though the reader shows what is in there.
        assert found[0] == "```tool_call"
    if found:
        assert found[0] in text[: found[1]]


@given(WILD, st.sampled_from(FORMATS))
def test_more_text_does_not_change_where_it_began(text: str, form: Format):
    found = [begun(start, form, bare=True) for start in accumulate(text[:300])]
    first = next(filter(None, found), None)
    assert set(filter(None, found)) <= {first}
    if first:
        assert None not in found[found.index(first) :]


@pytest.mark.parametrize("form", FORMATS)
def test_a_call_begins_behind_its_mark(form: Format):
    text = rendered(form, [ToolCall(identity(form, 0), "f", {"a": 1})])
    found = begun(text, form, bare=True)
    assert found
    mark, body = found
    assert mark in (*OPENERS[form], "")
    assert text[:body] in (mark, "")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("hermes", "Say <tool_ca"),
        ("hermes", json.dumps({"name": "f", "arguments": {}})),
        ("llama3", '{"name": "package", "version": 1}'),
        ("llama3", 'Look: {"name": "f", "parameters": {}}'),
        ("fenced", '```json\n{"name": "x", "version": 1}\n```\nIts "arguments": none.'),
        ("fenced", '```python\n{"name": "f", "arguments": {}}\n```'),
    ],
)
def test_text_is_no_call(form: Format, text: str):
    assert begun(text, form, bare=True) is None


def test_a_fence_of_its_own_is_a_call_at_once():
    assert begun("So:\n```tool_call", "fenced", bare=True) == ("```tool_call", 16)


def test_a_call_behind_another_object():
    other = '```json\n{"a": 1}\n```\n'
    text = other + '```json\n{"name": "f", "arguments": {'
    assert begun(text, "fenced", bare=True) == ("```json", len(other) + len("```json"))
