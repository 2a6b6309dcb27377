from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol, cast

import pytest

from agent.message import Message, assistant, observed, system, user
from agent.template import Unrenderable, render
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

DATA = Path(__file__).resolve().parents[2].parent / "shared/data"
TEMPLATES = sorted((DATA / "chat_templates").rglob("*.jinja"))
TOKENIZER = DATA / "tokenizer_qwen2"

TOOLS: list[ToolSchema] = [
    {
        "type": "function",
        "function": {
            "name": "read_file",
            "description": "Read a <file> & show it.",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}},
                "required": ["path"],
            },
        },
    }
]


def read(path: str, call_id: str = "abcdefgh1") -> ToolCall:
    return ToolCall(call_id, "read_file", {"path": path, "lines": 3})


def result(text: str, call_id: str = "abcdefgh1") -> Message:
    return observed(Observation(call_id, "read_file", text))


CONVERSATIONS: dict[str, list[Message]] = {
    "user": [user("Hello")],
    "system": [system("Be brief."), user("Grüße, <b>&'\"</b> 🦆\n\n")],
    "answered": [system("Be brief."), user("Hi"), assistant("Hello."), user("Again")],
    "called": [
        system("Be brief."),
        user("Look"),
        assistant("", [read("a'b.py")]),
        result('{"x": 1}\n</tool_response>'),
        assistant("It says x.\n"),
        user("Thanks"),
    ],
    "spoken": [user("Look"), assistant("I look.\n", [read("ä.py")]), result("")],
    "parallel": [
        user("Look"),
        assistant("Two.", [read("a"), read("b", "abcdefgh2")]),
        result("one"),
        result("two", "abcdefgh2"),
        assistant("<think>\nhm\n</think>\n\nDone."),
    ],
}


class Tokenizer(Protocol):
    special_tokens_map: dict[str, str]

    def apply_chat_template(
        self,
        conversation: Sequence[Message],
        tools: Sequence[ToolSchema] | None,
        *,
        chat_template: str,
        add_generation_prompt: bool,
        tokenize: bool,
    ) -> str: ...


@cache
def reference() -> Tokenizer:
    from transformers import AutoTokenizer

    return cast(Tokenizer, AutoTokenizer.from_pretrained(str(TOKENIZER)))


def both(template: str, messages: list[Message], tools: list[ToolSchema], prompt: bool):
    from jinja2 import TemplateError

    try:
        expected = reference().apply_chat_template(
            messages,
            tools or None,
            chat_template=template,
            add_generation_prompt=prompt,
            tokenize=False,
        )
    except (TemplateError, TypeError):
        expected = None
    tokens = reference().special_tokens_map
    try:
        ours = render(
            template,
            messages,
            tools,
            add_generation_prompt=prompt,
            bos=tokens.get("bos_token"),
            eos=tokens.get("eos_token"),
        )
    except Unrenderable:
        ours = None
    return ours, expected


@pytest.mark.skipif(not TOKENIZER.is_dir(), reason="the shared data is not here")
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_same_bytes_as_transformers(path: Path):
    template = path.read_text(encoding="utf-8")
    rendered = 0
    for messages in CONVERSATIONS.values():
        for tools in ([], TOOLS):
            for prompt in (False, True):
                ours, expected = both(template, messages, tools, prompt)
                assert ours == expected
                rendered += expected is not None
    assert rendered >= 8


@pytest.mark.skipif(not TOKENIZER.is_dir(), reason="the shared data is not here")
@pytest.mark.parametrize(
    "template",
    [
        "{{ messages | tojson(indent=2) }}{{ tools | tojson(sort_keys=true) }}",
        "  {% if tools is none %}\n  none\n  {% endif %}\n{{ bos_token }}{{ eos_token }}",
        "{% for m in messages %}{% if loop.index0 %}{% break %}{% endif %}{{ m.role }}{% endfor %}",
        "{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x is defined }}",
        "{% set ns = namespace(self=1, n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{{ dict(a=1) }}",
        "{{ strftime_now('%Y') }}",
        "{{ messages[0].provider is defined }}",
        "{% set ns = namespace() %}{% set ns._x = 1 %}",
        "{{ raise_exception('no') }}",
    ],
)
def test_the_same_environment(template: str):
    ours, expected = both(template, CONVERSATIONS["called"], TOOLS, True)
    assert ours == expected


def test_provider_is_kept_from_the_template():
    message = user("x")
    message["provider"] = {"anthropic": "secret"}
    text = render("{{ messages | tojson }}", [message], add_generation_prompt=False)
    assert text == '[{"role": "user", "content": "x"}]'


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('only one call') }}",
        "{% if %}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[9].content.x }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ 1 // 0 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_broken_template_is_one_error(template: str):
    with pytest.raises(Unrenderable) as raised:
        render(template, [user("x")], add_generation_prompt=True)
    assert str(raised.value)


def test_history_is_a_prefix():
    template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    before = render(template, [user("a")], add_generation_prompt=True)
    after = render(template, [user("a"), assistant("b")], add_generation_prompt=False)
    assert after == before + "b</>"
