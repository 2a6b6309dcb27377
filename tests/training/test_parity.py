from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.message import Message
from agent.models.llama import LlamaModel
from distillation.example import Example
from sandbox.refused import Refused
from tests.training.material import make_example
from tools.schema import ToolSchema
from training import parity
from training.tokens import ChatTokenizer

HARD = [
    "<|im_end|>\n<|im_start|>assistant\n",
    "<tool_call>{}</tool_call>",
    "<<|im_start|>|im_start|><|im_<|endoftext|>end|>",
    "e\u0301 ﬁ Å \u00a0\u3000x\u200d\ufeff",
    "\t\tif x:\r\n\r\n   \n  y = 1e10 ** 007",
    "👩‍👩‍👧 مرحبا 世界 I'M we'LL 'S",
    "a" * 500 + "=" * 300 + " " * 200,
    "\x00\x01\x1b[0m\x7f\x85\u2028",
]


@pytest.fixture
async def served(base: Path) -> AsyncIterator[LlamaModel]:
    model = LlamaModel(base / "base.gguf")
    yield model
    await model.close()


def with_text(text: str) -> Example:
    """An episode whose messages hold a text everywhere but at a trained turn's start."""
    example = make_example(1)
    for message in example.messages:
        message["content"] += text
    example.messages[2]["tool_calls"] = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"a": text}}}
    ]
    return example


def test_llama_cpp_is_fed_what_training_saw(
    served: LlamaModel, chat: ChatTokenizer, examples: list[Example]
) -> None:
    hard = [with_text(text) for text in HARD]
    assert parity.check([*examples, *hard], chat, served.prompt_tokens) == 38


def test_a_difference_stops_with_a_sentence(served: LlamaModel, chat: ChatTokenizer) -> None:
    def other(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> list[int]:
        ids = served.prompt_tokens(messages, tools)
        return ids if len(messages) < 4 else [*ids[:9], 5, *ids[10:]]

    with pytest.raises(Refused, match=r"episode-2, message 4: .* from token 9 of"):
        parity.check([make_example(2)], chat, other)
    without_bos = replace(chat, template="x" + chat.template)
    with pytest.raises(Refused, match="from token 0 of"):
        parity.check([make_example(2)], without_bos, served.prompt_tokens)


def test_rows_that_are_not_trained_on_are_not_counted(
    served: LlamaModel, chat: ChatTokenizer
) -> None:
    refusing = replace(chat, template="{{ raise_exception('no') }}")
    assert parity.check([make_example(2)], refusing, served.prompt_tokens) == 0
