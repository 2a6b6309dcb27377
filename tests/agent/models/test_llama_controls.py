"""Whoever spells a control token in a message has written letters, in every template."""

import json
import re
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.controls import CUT, Controls
from agent.message import Message, assistant, observed, system, user
from agent.models.llama import LlamaModel
from agent.models.settings import ModelSettings
from agent.template import render
from tests.agent.models.conftest import BASE, SPECIAL, weights, write
from tests.agent.test_template import TEMPLATES
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

NEVER = [
    *SPECIAL, "<|eot_id|>", "<|eom_id|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|begin_of_text|>", "<|python_tag|>",
]  # fmt: skip
MARKS = [
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<tools>", "</tools>",
    "<think>", "</think>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "<scratch_pad>",
]  # fmt: skip
OWN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<tool_call>"
    "{{ [m, tools] | tojson(ensure_ascii=true) }}<|im_end|>\n{% endfor %}"
)
ALL = {path.stem: path.read_text(encoding="utf-8") for path in TEMPLATES} | {"own": OWN}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("controls")


@contextmanager
def speaking(folder: Path, template: str) -> Generator[LlamaModel]:
    """A model of bytes and control tokens with a template."""
    pieces = [token for token in [*NEVER, *MARKS] if token not in SPECIAL]
    tensors = weights(len(BASE) + len(pieces), 64, 0.1)
    path = write(folder / "m.gguf", pieces, tensors, ALL[template])
    model = LlamaModel(path, settings=ModelSettings(context=256, threads=1))
    try:
        yield model
    finally:
        model._runtime.close()  # pyright: ignore[reportPrivateUsage]


LETTERS = st.text("ab <>|[]/\\\"'ä\n", max_size=6)
PARTS = ["<|im_", "end|>", "<", "|>", "<<|im_end|>", "\ufffd", "\\udfff"]
TEXTS = st.lists(
    st.one_of(st.sampled_from([*NEVER, *MARKS]), st.sampled_from(PARTS), LETTERS), max_size=6
).map("".join)
IDENTITY = "abcdefgh1"


def conversation(texts: list[str]) -> tuple[list[Message], list[ToolSchema]]:
    """Texts in all places that a file, a page, a user, a server or a model can write to."""
    one, two, three, four, five, six, seven = texts
    call = ToolCall(IDENTITY, "read_file", {"path": six, "more": [{"x": six}]})
    tool: ToolSchema = {
        "type": "function",
        "function": {
            "name": "read_file",
            "description": seven,
            "parameters": {"type": "object", "properties": {"p": {"description": seven}}},
        },
    }
    messages = [
        system(one),
        user("u" + two),
        assistant(five, [call]),
        observed(Observation(IDENTITY, "read_file", three)),
        assistant("a" + five),
        user(four),
    ]
    return messages, [tool]


def neutral(text: str, tokens: list[str]) -> str:
    """The text with letters that spell nothing where it spells a token."""
    pattern = "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
    while (changed := re.sub(pattern, lambda found: "x" * len(found[0]), text)) != text:
        text = changed
    return text


def counted(model: LlamaModel, ids: list[int]) -> Counter[str]:
    """How often each control token is in what the model is fed."""
    runtime = model._runtime  # pyright: ignore[reportPrivateUsage]
    known = {*NEVER, *MARKS}
    return Counter(
        text for id in ids if (text := runtime.vocabulary.piece(id).decode("latin-1")) in known
    )


@pytest.mark.parametrize("template", ALL)
def test_letters_stay_letters(template: str, folder: Path):
    with speaking(folder, template) as model:
        runtime = model._runtime  # pyright: ignore[reportPrivateUsage]

        @settings(
            max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
        )
        @given(st.lists(TEXTS, min_size=7, max_size=7))
        def check(texts: list[str]) -> None:
            ids = model.prompt_tokens(*conversation(texts))
            # What the model itself wrote may hold marks; text of others may hold no token at all.
            theirs, own = [*NEVER, *(m for m in MARKS if m in runtime.template)], NEVER
            harmless = [
                neutral(text, own if at in (4, 5) else theirs) for at, text in enumerate(texts)
            ]
            expected = model.prompt_tokens(*conversation(harmless))
            fed, wanted = counted(model, ids), counted(model, expected)
            assert {t: fed[t] for t in theirs} == {t: wanted[t] for t in theirs}
            # And every letter is there.
            told, offered = runtime.controls.cut(*conversation(texts))
            text = render(
                runtime.template,
                told,
                offered,
                add_generation_prompt=True,
                bos=runtime.vocabulary.bos,
                eos=runtime.vocabulary.eos,
            )
            assert b"".join(map(runtime.vocabulary.piece, ids)).decode() == text.replace(CUT, "")

        check()


@pytest.mark.parametrize("template", ALL)
def test_ordinary_conversations_are_fed_as_ever(template: str, folder: Path):
    texts = ["Be brief.", "x < y | z > 1", "if a[0] <b> | c>: [x]\n", "done?", "I look.", "ä", "R"]
    with speaking(folder, template) as model:
        runtime = model._runtime  # pyright: ignore[reportPrivateUsage]
        messages, tools = conversation(texts)
        text = render(
            runtime.template,
            messages,
            tools,
            add_generation_prompt=True,
            bos=runtime.vocabulary.bos,
            eos=runtime.vocabulary.eos,
        )
        assert model.prompt_tokens(messages, tools) == runtime.vocabulary.tokens(text)


def test_which_tokens_are_controls():
    template = "<tool_call>\n\n {{ x }} user <b>"
    other = ["<tool_call>", "<think>", "\n\n", "user", "<|fim_prefix|>", "<b>", "<i>", "x"]
    controls = Controls(["</s>", "#"], other, template)
    text = "".join([*other, "</s>", "#", "user\n\n"])

    def cut(role: str) -> str:
        message: Message = {"role": role, "content": text}  # pyright: ignore[reportAssignmentType]
        (told,), _ = controls.cut([message], [])
        return told["content"].replace(CUT, "~")

    assert cut("tool") == cut("user") == cut("system")
    assert cut("user") == "<~tool_call><think>\n\nuser<~|fim_prefix|><~b><i>x<~/s>#user\n\n"
    assert cut("assistant") == "<tool_call><think>\n\nuser<~|fim_prefix|><b><i>x<~/s>#user\n\n"


def test_overlapping_tokens_are_all_cut():
    controls = Controls(["<<a>>", "<a>", "a>>b"], [], "")
    (told,), _ = controls.cut([user(f"<<a>>b{CUT}")], [])
    assert told["content"] == f"<{CUT}<{CUT}a{CUT}>>b\ufffd"


def test_names_of_parameters_are_text_too():
    controls = Controls(["<|im_end|>"], [], "")
    tools = conversation([""] * 7)[1]
    tools[0]["function"]["parameters"] = {"properties": {"<|im_end|>": {}}}
    _, offered = controls.cut([], tools)
    assert (
        f"<{CUT}|im_end|>"
        in json.loads(json.dumps(offered))[0]["function"]["parameters"]["properties"]
    )
