"""A history in which several models made calls can go on with any template."""

from pathlib import Path

import pytest

from agent.identities import accepted
from agent.message import assistant, calls, observed, user
from agent.template import Unrenderable, render
from tools.call import Observation, ToolCall

DATA = Path(__file__).resolve().parents[2].parent / "shared/data/chat_templates"
MISTRAL = sorted(DATA.rglob("mistralai-*.jinja"))
IDS = ["toolu_01A", "call_2_0", "abcdefgh9", ""]
HISTORY = [
    user("Go."),
    *(
        message
        for id in IDS
        for message in (assistant("", [ToolCall(id, "f")]), observed(Observation(id, "f", "ok")))
    ),
]


def test_ids_that_fit_stay_and_others_are_the_same_on_both_sides() -> None:
    told = accepted(HISTORY, "[TOOL_CALLS]")
    made = [calls(message)[0].id for message in told[1::2]]
    assert made == [message.get("tool_call_id") for message in told[2::2]]
    assert made[2] == "abcdefgh9"
    assert len(set(made)) == 4
    assert all(len(id) == 9 and id.isalnum() for id in made)
    assert accepted(HISTORY, "<tool_call>") == HISTORY


@pytest.mark.skipif(not MISTRAL, reason="the shared data is not here")
def test_mistrals_own_template_takes_them() -> None:
    template = MISTRAL[0].read_text(encoding="utf-8")
    with pytest.raises(Unrenderable, match="length 9"):
        render(template, HISTORY, add_generation_prompt=False, eos="</s>")
    told = accepted(HISTORY, template)
    assert "toolu" not in render(template, told, add_generation_prompt=False, eos="</s>")
