"""What is thought is told from what is said, wherever the pieces of an answer end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.generated import Generated
from agent.message import Message, assistant
from agent.model import Text, Thinking
from agent.parse import Splitter
from agent.thoughts import Thoughts, restored
from tools.call import ToolCall

PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "</", "<", "\n", " ", "Hm.", "ä🦆"])
)


def apart(text: str, cuts: list[int], prompt: str = "") -> tuple[str, str, str]:
    """What was thought, said and kept of an answer that came in pieces."""
    thoughts, pairs = Thoughts(prompt), list[tuple[str, str]]()
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        pairs.append(thoughts.feed(text[start:end]))
    pairs.append(thoughts.finish())
    message: Message = assistant("".join(said for _, said in pairs))
    if thoughts.provider:
        message["provider"] = thoughts.provider
    (whole,) = restored([message])
    return "".join(thought for thought, _ in pairs), message["content"], whole["content"]


@given(PIECES.map("".join), st.data(), st.sampled_from(["", "x", "<think>", "a<think>\n"]))
def test_pieces_give_what_the_whole_gives_and_nothing_is_lost(
    text: str, data: st.DataObject, prompt: str
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    thought, said, whole = apart(text, cuts, prompt)
    assert (thought, said, whole) == apart(text, [], prompt)
    opened = prompt[prompt.find("<think>") :] if "<think>" in prompt else ""
    assert whole == opened + text
    if not opened and not text.lstrip().startswith("<think>"):
        assert (thought, said) == ("", text)


@pytest.mark.parametrize(
    ("prompt", "text", "expected"),
    [
        ("", "<think>\nHm.\n</think>\n\nYes.", ("\nHm.\n", "Yes.")),
        ("assistant\n<think>\n", "Hm.\n</think>\n\nYes.", ("Hm.\n", "Yes.")),
        ("<think>\n\n</think>\n\n", "Yes.", ("", "Yes.")),
        ("", "<think>never ends", ("never ends", "")),
        ("", "I mean <think>that</think>.", ("", "I mean <think>that</think>.")),
        ("", "<thin ice", ("", "<thin ice")),
        ("", "<thi", ("", "<thi")),
    ],
)
def test_thoughts_come_first(prompt: str, text: str, expected: tuple[str, str]) -> None:
    assert apart(text, [], prompt)[:2] == expected


def test_a_call_in_thoughts_is_none_and_one_behind_them_is() -> None:
    call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    answer = Generated(Splitter("hermes"))
    events = [*answer.feed(f"<think>Or {call}?</think>\n"), *answer.feed(f"So:\n{call}")]
    events += answer.finish()
    assert events == [Thinking(f"Or {call}?"), Text("So:"), ToolCall("call_0_0", "f")]
    assert answer.called
