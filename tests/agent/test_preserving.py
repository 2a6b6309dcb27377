"""Templates that would rewrite history are found out, and used in a variant that does not."""

from itertools import pairwise
from pathlib import Path

import pytest

from agent.message import Message, assistant, system, user
from agent.preserving import keeps, preserving
from agent.template import render
from tests.agent.test_template import TEMPLATES, TOOLS, read, result

ENDS = {"bos": "<s>", "eos": "</s>"}
REWRITING = {
    "Qwen-Qwen3-0.6B",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use",
    "mistralai-Mistral-Nemo-Instruct-2407",
}
THOUGHT = "<think>\nI wonder.\n</think>\n\nI look."


def talk() -> list[Message]:
    """Two turns with calls, and what a reasoning model says."""
    turn = [assistant(THOUGHT, [read("a.py")]), result("a"), assistant(THOUGHT + " Done.")]
    return [system("Be brief."), user("Look."), *turn, user("Again."), *turn, user("Thanks.")]


def prompts(template: str) -> list[str]:
    messages = talk()
    asked = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    return [
        render(template, messages[:n], TOOLS, add_generation_prompt=True, **ENDS) for n in asked
    ]


@pytest.mark.skipif(not TEMPLATES, reason="shared/data is not there")
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_known_templates_keep_what_was_said_or_are_mended(path: Path) -> None:
    template = path.read_text("utf-8")
    found = preserving(template, **ENDS)
    assert (found.template != template) == bool(found.note) == (path.stem in REWRITING)
    assert keeps(found.template, **ENDS)


@pytest.mark.skipif(not TEMPLATES, reason="shared/data is not there")
def test_what_qwen_3_wrote_stays_in_its_prompts_word_for_word() -> None:
    (path,) = [path for path in TEMPLATES if path.stem == "Qwen-Qwen3-0.6B"]
    template = path.read_text("utf-8")
    before = prompts(template)
    assert not all(later.startswith(earlier) for earlier, later in pairwise(before))
    after = prompts(preserving(template, **ENDS).template)
    for earlier, later in pairwise(after):
        assert later.startswith(earlier + THOUGHT)
    # Nothing else is different: a first question is what it was.
    assert after[0] == before[0]


def test_a_template_that_cannot_be_mended_is_said_to_rewrite() -> None:
    last = "{% for m in messages[-2:] %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    found = preserving(last)
    assert found.template == last
    assert "evaluated again" in found.note


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{% for %}", "{{ 1 / 0 }}"])
def test_a_template_that_takes_no_conversation_is_left_alone(template: str) -> None:
    assert keeps(template) is None
    assert preserving(template).note == ""


def test_templates_that_know_no_system_prompt_or_tools_are_tried_without() -> None:
    strict = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{{ m.role }}: {{ m.content }}\n{% endfor %}"
    )
    assert keeps(strict) is True
