"""Reading leniently and repairing: never an exception, never a guess, never a broken history."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.corrections import corrections, imitable
from agent.lenient import forgiven, mended
from agent.limits import EpisodeLimits
from agent.message import Message, calls
from agent.model import Event, Malformed
from agent.models.scripted import reply
from tests.agent.answers import spoilt, wild
from tests.agent.test_conversation import end, talk
from tests.agent.test_parse import ARGUMENTS, WILD
from tools.call import JSON, ToolCall
from tools.schema import ToolSchema


@given(ARGUMENTS, st.sampled_from(["", " ", "\n"]), st.booleans())
def test_valid_arguments_come_back_exactly(
    arguments: dict[str, JSON], space: str, ascii_: bool
) -> None:
    text = space + json.dumps(arguments, ensure_ascii=ascii_) + space
    assert mended("c", "f", text) == (ToolCall("c", "f", arguments),)
    value, _, slip = forgiven(text)
    assert (value, slip) == (arguments, "")


@given(WILD)
def test_any_text_is_read_or_left_alone(text: str) -> None:
    for call in mended("c", "f", text):
        json.dumps(call.arguments, ensure_ascii=False, allow_nan=False).encode()
    assert mended("c", "", text) == ()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("{'a': 1}", {"a": 1}),
        ('{"a": 1}}', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('{"a": "x\ny"}', {"a": "x\ny"}),
        ('{"a": 1', None),
        ('{"a": "x', None),
        ('{"a": 1}{"b": 2}', None),
        ('{"a": 1} and so on', None),
        ("[1]", None),
        ("", None),
    ],
)
def test_what_is_forgiven_and_what_would_be_a_guess(
    text: str, arguments: dict[str, JSON] | None
) -> None:
    assert [call.arguments for call in mended("c", "f", text)] == (
        [] if arguments is None else [arguments]
    )


def some_answer(random: Random, number: int) -> Sequence[Event]:
    """Any answer: text, calls that run or do not, and what cannot be read or only leniently."""
    good = ToolCall(f"g{number}", "list_files", {})
    wrong = ToolCall(f"w{number}", random.choice(["list_files", "fly"]), {"at": number})
    bad = random.choice([spoilt(random, "hermes"), wild(random), ""])
    kinds: list[Sequence[Event]] = [
        reply(f"So {number}.", good),
        reply("", wrong),
        reply("", wrong, good),
        (Malformed(bad, random.choice(["", "it is no JSON"])),),
        (*reply("", good), Malformed(bad, "it breaks off")),
        (Malformed(bad, "a slip", (good,)),),
        (Malformed(bad, "a slip", (wrong, good)),),
        (Malformed(bad, "a slip", (good,)), Malformed(bad, "half")),
    ]
    return random.choice(kinds)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_a_model_answers_the_history_stays_whole(tmp_path: Path, seed: int) -> None:
    random = Random(seed)

    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        return some_answer(random, len(messages)) if len(messages) < 60 else reply("Done.")

    conversation, _ = await talk(tmp_path, policy, "auto")
    conversation.limits = EpisodeLimits(repeats=100)
    assert await conversation.ask("Go.") == "end"
    messages, steps = conversation.episode.messages, conversation.episode.steps
    expected: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message.get("tool_call_id") == expected.pop(0)
        else:
            # Every call has its result before anything else is said.
            assert not expected
            expected = [call.id for call in calls(message)]
    talked = [message["role"] for message in messages if message["role"] != "tool"]
    assert not any(one == two == "user" for one, two in pairwise(talked))
    trained = imitable(conversation.episode)
    for step, good in zip(steps, trained, strict=True):
        assert not (step.corrects is not None and not good)
    for pair in corrections(conversation.episode):
        assert not trained[messages.index(pair.bad)] or messages.count(pair.bad) > 1
        assert trained[messages.index(pair.corrected)]
    await end(conversation)
