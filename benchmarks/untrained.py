"""Models that learnt nothing, with the real vocabulary of Qwen2, and tool schemas from elsewhere.

Their weights are random but for this: after the special token of a format they open a call in it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy
from gguf import GGUFWriter, TokenType
from numpy.typing import NDArray

from agent.formats import Format
from agent.schema_rules import allowed
from tools.call import JSON
from tools.schema import FunctionSchema, ToolSchema

SHARED = Path(__file__).resolve().parents[2] / "shared/data"
OPENINGS: Mapping[str, tuple[Format, str]] = {
    "<|hermes|>": ("hermes", "<tool_call>"),
    "<|xml|>": ("xml", "<tool_call>"),
    "<|mistral|>": ("mistral", "[TOOL_CALLS]"),
    "<|llama3|>": ("llama3", "<|python_tag|>"),
    "<|bare|>": ("llama3", '{"name": "oops", "parameters": '),
    "<|fenced|>": ("fenced", '```json\n{"name": "oops", "arguments": {"x": 1'),
}
"""What a model says after a special token. The last two are mistakes, to be taken back."""
_TEMPLATE = "{% for m in messages %}{{ '<|' ~ m.content ~ '|>' }}{% endfor %}"
"""Writes the special token: a message could only spell it."""
_KINDS = {
    "dict": "object", "HashMap": "object", "float": "number", "double": "number",
    "long": "integer", "tuple": "array", "Array": "array", "ArrayList": "array",
    "String": "string",
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Of a Qwen2."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    inner: int
    tokens: int
    """The first of the vocabulary; fewer are faster."""


HALF_BILLION = Shape(896, 24, 14, 2, 4864, 151_646)
SMALL = Shape(64, 2, 4, 4, 128, 32_768)


def write(path: Path, shape: Shape) -> Path:
    """Write an untrained model as a GGUF in 16 bits."""
    writer = GGUFWriter(path, "qwen2")
    writer.add_block_count(shape.layers)
    writer.add_context_length(4096)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_chat_template(_TEMPLATE)
    tokens = _add_vocabulary(writer, shape.tokens)
    _add_weights(writer, shape, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def sizes(shape: Shape) -> dict[str, tuple[int, int]]:
    """The matrices of a layer: name to rows and columns."""
    keys = shape.hidden // shape.heads * shape.kv_heads
    return {
        "attn_q": (shape.hidden, shape.hidden),
        "attn_k": (keys, shape.hidden),
        "attn_v": (keys, shape.hidden),
        "attn_output": (shape.hidden, shape.hidden),
        "ffn_gate": (shape.inner, shape.hidden),
        "ffn_up": (shape.inner, shape.hidden),
        "ffn_down": (shape.hidden, shape.inner),
    }


def schemas() -> list[list[ToolSchema]]:
    """The tool sets of the function calling leaderboard's questions; none if it is not there."""
    paths = sorted((SHARED / "bfcl/question").glob("*.jsonl"))
    rows = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    sets = {json.dumps(row["function"]): row["function"] for row in rows if row.get("function")}
    return [
        [
            {"type": "function", "function": cast("FunctionSchema", _plain(function))}
            for function in functions
        ]
        for functions in sets.values()
    ]


def _plain(value: JSON) -> JSON:
    """A schema with the names of JSON Schema for its types."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _plain(item) for key, item in value.items()}
    if isinstance(kind := changed.get("type"), str):
        changed["type"] = _KINDS.get(kind, kind)
    if isinstance(values := changed.get("enum"), list) and not any(
        allowed(value, changed) for value in values
    ):
        # A few list words for a boolean: no value at all would do.
        del changed["enum"]
    return {key: item for key, item in changed.items() if (key, item) != ("type", "any")}


def _add_vocabulary(writer: GGUFWriter, count: int) -> list[str]:
    folder = SHARED / "tokenizer_qwen2"
    known: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))
    tokens = sorted(known, key=lambda token: known[token])[:count]
    kept = set(tokens)
    lines = (folder / "merges.txt").read_text("utf-8").splitlines()
    merges = [line for line in lines if line.replace(" ", "", 1) in kept and " " in line]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *OPENINGS]
    said = list(dict.fromkeys(text for _, text in OPENINGS.values()))
    everything = [*tokens, *special, *said]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(everything)
    kinds = [TokenType.NORMAL] * len(tokens) + [TokenType.CONTROL] * len(special)
    writer.add_token_types(kinds + [TokenType.USER_DEFINED] * len(said))
    writer.add_token_merges(merges)
    writer.add_eos_token_id(everything.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    return everything


def _add_weights(writer: GGUFWriter, shape: Shape, tokens: Sequence[str]) -> None:
    random = numpy.random.default_rng(0)

    def some(scale: float, *size: int) -> NDArray[numpy.float16]:
        return (random.standard_normal(size, numpy.float32) * scale).astype(numpy.float16)

    embedding = some(1.0, len(tokens), shape.hidden)
    output = some(2.5 / shape.hidden**0.5, len(tokens), shape.hidden)
    # A dimension for each opening, which no other token has a part in.
    embedding[:, : len(OPENINGS)] = 0
    output[[tokens.index(said) for _, said in OPENINGS.values()]] = 0
    for axis, (special, (_, said)) in enumerate(OPENINGS.items()):
        embedding[tokens.index(special)] = 0
        embedding[tokens.index(special), axis] = 1
        output[tokens.index(said), axis] = 100 / shape.hidden**0.5
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    ones = numpy.ones(shape.hidden, numpy.float32)
    writer.add_tensor("output_norm.weight", ones)
    small = 0.1 / shape.hidden**0.5
    matrices = sizes(shape)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{name}.weight", ones)
        for name, size in matrices.items():
            writer.add_tensor(f"{block}{name}.weight", some(small, *size))
        for name in ("attn_q", "attn_k", "attn_v"):
            bias = numpy.zeros(matrices[name][0], numpy.float32)
            writer.add_tensor(f"{block}{name}.bias", bias)
