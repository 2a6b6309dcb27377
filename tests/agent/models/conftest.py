"""Small GGUF files, made in a second: one with random weights, one that says what it was told."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy
import pytest
from gguf import GGUFWriter, TokenType
from numpy.typing import NDArray

Array = NDArray[numpy.float32]


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}"
    '\n<tool_call>{"name": "{{ call.function.name }}", '
    '"arguments": {{ call.function.arguments | tojson }}}</tool_call>'
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if messages[-1].role == 'tool' %}<|after_tool|>{% endif %}{% endif %}"
)
LAYERS, HEADS, CONTEXT = 2, 4, 512


def byte_tokens() -> list[str]:
    """The 256 bytes in the letters of byte-level BPE."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(moved)) for byte in range(256)]


SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|after_tool|>"]
# llama.cpp insists on a merge; this one joins bytes that no UTF-8 text holds.
BASE = [*byte_tokens(), *SPECIAL, "ÿÿ"]


def write(path: Path, pieces: Sequence[str], tensors: dict[str, Array], template: str) -> Path:
    """A Qwen2 with these tensors; its vocabulary is the bytes, the special tokens, the pieces."""
    writer = GGUFWriter(path, "qwen2")
    hidden = tensors["token_embd.weight"].shape[1]
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(tensors["blk.0.ffn_up.weight"].shape[0])
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*BASE, *pieces])
    kinds = [TokenType.NORMAL] * 256 + [TokenType.CONTROL] * len(SPECIAL) + [TokenType.NORMAL]
    writer.add_token_types(kinds + [TokenType.USER_DEFINED] * len(pieces))
    writer.add_token_merges(["ÿ ÿ"])
    writer.add_eos_token_id(258)
    writer.add_pad_token_id(256)
    writer.add_add_bos_token(False)
    if template:
        writer.add_chat_template(template)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def weights(vocabulary: int, hidden: int, scale: float, seed: int = 0) -> dict[str, Array]:
    """Random weights of a deviation; norms are ones."""
    random = numpy.random.default_rng(seed)

    def some(*shape: int) -> Array:
        return (random.standard_normal(shape) * scale).astype(numpy.float32)

    tensors: dict[str, Array] = {
        "token_embd.weight": some(vocabulary, hidden),
        "output.weight": some(vocabulary, hidden),
        "output_norm.weight": numpy.ones(hidden, numpy.float32),
    }
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        tensors[block + "attn_norm.weight"] = numpy.ones(hidden, numpy.float32)
        tensors[block + "ffn_norm.weight"] = numpy.ones(hidden, numpy.float32)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[block + name + ".weight"] = some(hidden, hidden)
        for name in ("attn_q", "attn_k", "attn_v"):
            tensors[block + name + ".bias"] = some(hidden)
        for name in ("ffn_gate", "ffn_up"):
            tensors[block + name + ".weight"] = some(64, hidden)
        tensors[block + "ffn_down.weight"] = some(hidden, 64)
    return tensors


@pytest.fixture(scope="session")
def random_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: what it says depends on everything that it was fed."""
    path = tmp_path_factory.mktemp("gguf") / "random.gguf"
    return write(path, [], weights(len(BASE), 64, 0.25), TEMPLATE)


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two LoRA adapters for the random model."""
    folder = tmp_path_factory.mktemp("adapters")
    return [write_adapter(folder / f"{seed}.gguf", seed) for seed in (1, 2)]


def write_adapter(path: Path, seed: int) -> Path:
    random = numpy.random.default_rng(seed)
    writer = GGUFWriter(path, "qwen2")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for layer in range(LAYERS):
        for name, size in (("attn_q", 64), ("attn_v", 64), ("ffn_up", 64)):
            base = f"blk.{layer}.{name}.weight"
            low = random.standard_normal((4, 64)).astype(numpy.float32)
            high = (random.standard_normal((size, 4)) * 0.2).astype(numpy.float32)
            writer.add_tensor(base + ".lora_a", low)
            writer.add_tensor(base + ".lora_b", high)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


Tell = Callable[[dict[str, Sequence[str]]], Path]
FOR_EVER = "…"
"""As the last piece of an answer: the piece before it is said again and again."""


@pytest.fixture
def told(tmp_path: Path) -> Tell:
    """Makes a model that answers as told: the text of the prompt's last token to what follows it.

    Nothing but the last token matters to it: attention and feed-forward add nothing, embeddings
    are one-hot, and the output weights hold who follows whom.
    """

    def tell(answers: dict[str, Sequence[str]]) -> Path:
        pieces = list(dict.fromkeys(piece for answer in answers.values() for piece in answer))
        tokens = [*BASE, *pieces]
        hidden = -(-len(tokens) // HEADS // 2) * HEADS * 2
        tensors = weights(len(tokens), hidden, 0.0)
        numpy.fill_diagonal(tensors["token_embd.weight"], 1.0)
        for start, answer in answers.items():
            ids = [tokens.index("Ċ" if start == "\n" else start)]
            ids += [tokens.index(piece, 256) for piece in answer if piece != FOR_EVER]
            ids.append(ids[-1] if FOR_EVER in answer else 258)
            for one, next_one in pairwise(ids):
                tensors["output.weight"][next_one, one] = 1.0
        return write(tmp_path / "told.gguf", pieces, tensors, TEMPLATE)

    return tell
