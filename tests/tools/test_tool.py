"""Signatures become schemas, and calls are checked against them."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.sandbox import SandboxBroken
from tools.call import JSON, ToolCall, ToolError
from tools.registry import default_tools
from tools.tool import Context, execute, schema, tool


@tool("run", more="ask again")
async def example(
    context: Context, words: list[str], how: Literal["up", "down"] = "up", times: int = 2
) -> str:
    """Do something to words.

    It has a second paragraph.

    Args:
        context: The workspace.
        words: Any words.
        how: Which way.
    """
    if "fail" in words:
        raise ToolError("These words do not work.")
    if "break" in words:
        raise SandboxBroken("no sandbox")
    text = " ".join(words) * times
    return text.upper() if how == "up" else text.lower()


def test_the_signature_is_the_schema() -> None:
    assert schema(example) == {
        "type": "function",
        "function": {
            "name": "example",
            "description": "Do something to words.\n\nIt has a second paragraph.",
            "parameters": {
                "type": "object",
                "properties": {
                    "words": {
                        "items": {"type": "string"},
                        "type": "array",
                        "description": "Any words.",
                    },
                    "how": {
                        "default": "up",
                        "enum": ["up", "down"],
                        "type": "string",
                        "description": "Which way.",
                    },
                    "times": {"default": 2, "type": "integer"},
                },
                "required": ["words"],
            },
        },
    }


async def _executed(context: Context, **arguments: JSON) -> tuple[bool, str]:
    observation = await execute(ToolCall("7", "example", arguments), [example], context)
    assert (observation.call_id, observation.name) == ("7", "example")
    return observation.ok, observation.text


async def test_harmless_conversions_are_made(context: Context) -> None:
    assert await _executed(context, words=["a"], times="3") == (True, "AAA")
    assert await _executed(context, words=["A"], how="down") == (True, "aa")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "words: field required"),
        ({"words": "a"}, "words: input should be a valid list"),
        ({"words": [], "times": "many"}, "times: input should be a valid integer"),
        ({"words": [], "speed": 1}, "speed: extra inputs are not permitted"),
        ({"words": [None]}, "words.0: input should be a valid string"),
    ],
)
async def test_bad_arguments_are_told_with_the_signature(
    context: Context, arguments: dict[str, JSON], problem: str
) -> None:
    ok, text = await _executed(context, **arguments)
    assert not ok
    assert problem in text
    signature = "example(words: list[str], how: Literal['up', 'down'] = 'up', times: int = 2)"
    assert signature in text.replace("typing.", "")


async def test_a_tools_own_error_is_an_observation(context: Context) -> None:
    assert await _executed(context, words=["fail"]) == (False, "These words do not work.")


async def test_an_unknown_tool_is_an_observation(context: Context) -> None:
    observation = await execute(ToolCall("1", "nope", {}), default_tools(), context)
    assert not observation.ok
    assert "There is no tool nope. There are: read_file, write_file" in observation.text


async def test_broken_infrastructure_is_no_observation(context: Context) -> None:
    with pytest.raises(SandboxBroken):
        await _executed(context, words=["break"])


async def test_long_results_are_cut(context: Context) -> None:
    call = ToolCall("1", "example", {"words": ["x" * 9000], "times": 1})
    observation = await execute(call, [example], context)
    assert observation.truncated
    assert "ask again" in observation.text
    assert len(observation.text) < 8200


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(["path", "start", "end", "old", "", "x"]), _VALUES))
def test_any_arguments_are_checked_without_a_crash(arguments: dict[str, JSON]) -> None:
    for each in default_tools():
        try:
            checked = each.validated(arguments)
        except ToolError as error:
            problem = str(error)
        else:
            problem = each.signature
            assert [f"{name}: " in problem for name in checked] == [True] * len(checked)
        assert each.signature in problem


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("1", "read_file", {"path": "\ud800"}),
        ToolCall("1", "list_files", {"path": "\ud800"}),
        ToolCall("1", "shell", {"command": "echo \udcff"}),
        ToolCall("1", "run_python", {"code": "'\ud800'"}),
    ],
)
async def test_half_of_a_character_is_told(context: Context, call: ToolCall) -> None:
    observation = await execute(call, default_tools(), context)
    assert (observation.ok, "half of a character" in observation.text) == (False, True)
