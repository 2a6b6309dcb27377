"""The first student on disk, a tiny Qwen2: the pretrained one of the box, or an untrained one.

The untrained one answers nothing sensible: on it every part of the loop can be tried in seconds.
Both are written without torch, because chatting must not need torch.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from training import base_gguf, bpe

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

EMBEDDING = "model.embed_tokens.weight"


@dataclass(frozen=True)
class Shape:
    """The size of a Qwen2. Widths are multiples of 256, which K-quants need."""

    vocabulary: int = 1792
    hidden: int = 256
    feed_forward: int = 256
    layers: int = 2
    heads: int = 4
    key_value_heads: int = 1
    context: int = 8192
    """Tokens."""
    theta: float = 10000.0
    """Of the rotary embedding: the larger, the more of a head is the same at any distance."""


def init(folder: Path, seed: int = 0, shape: Shape | None = None) -> None:
    """Make a student in `folder`: a Hugging Face folder with a `base.gguf` beside the weights.

    The folder appears whole, by rename; one that is there already is replaced.
    """
    shape = shape or Shape()
    tokenizer = bpe.train(shape.vocabulary)
    weights = _weights(config(shape, tokenizer), seed)
    write(folder, shape, tokenizer, template(), weights)


def write(
    folder: Path,
    shape: Shape,
    tokenizer: "Tokenizer",
    chat_template: str,
    weights: "Mapping[str, NDArray[numpy.float16]]",
    temperature: float = 0.0,
) -> None:
    """Write a student with these weights to `folder`, whole or not at all.

    `temperature`: what its files recommend to sample at; 0 is no recommendation.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tokenizer.save(str(part / "tokenizer.json"))
    _write(part / "config.json", config(shape, tokenizer))
    _write(part / "tokenizer_config.json", _tokenizer_config(shape, chat_template))
    stops = [tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")]
    sampling = {"do_sample": True, "temperature": temperature} if temperature else {}
    generation = {"eos_token_id": stops, "pad_token_id": stops[1], **sampling}
    _write(part / "generation_config.json", generation)
    _save_weights(part / "model.safetensors", weights)
    # The library makes it readable for nobody else.
    (part / "model.safetensors").chmod(0o644)
    base_gguf.write(part, part / "base.gguf")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def shipped() -> Path | None:
    """The folder of the pretrained student that comes with this package; None if none does."""
    folder = Path(str(files("training").joinpath("base")))
    return folder if (folder / "base.gguf").is_file() else None


def template(name: str = "student") -> str:
    """The chat template of the untrained student, or the one of this name."""
    return files("training").joinpath(f"templates/{name}.jinja").read_text(encoding="utf-8")


def config(shape: Shape, tokenizer: "Tokenizer") -> dict[str, Any]:
    """What `config.json` holds."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "max_position_embeddings": shape.context,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.theta},
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "attention_dropout": 0.0,
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "pad_token_id": tokenizer.token_to_id("<|endoftext|>"),
        "dtype": "float16",
    }


def _tokenizer_config(shape: Shape, chat_template: str) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": shape.context,
        "clean_up_tokenization_spaces": False,
        "chat_template": chat_template,
    }


def _save_weights(path: Path, weights: "Mapping[str, NDArray[numpy.float16]]") -> None:
    from safetensors import numpy as safetensors

    save = cast("Any", safetensors.save_file)
    save(dict(weights), path, metadata={"format": "pt"})


def _weights(config: dict[str, Any], seed: int) -> "dict[str, NDArray[numpy.float16]]":
    """Normal weights of deviation 0.02 in float16; norms are ones."""
    import numpy

    hidden, inner = config["hidden_size"], config["intermediate_size"]
    head = hidden // config["num_attention_heads"]
    keys = head * config["num_key_value_heads"]
    block = {
        "self_attn.q_proj.weight": (hidden, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, hidden),
        "self_attn.q_proj.bias": (hidden,),
        "self_attn.k_proj.bias": (keys,),
        "self_attn.v_proj.bias": (keys,),
        "mlp.gate_proj.weight": (inner, hidden),
        "mlp.up_proj.weight": (inner, hidden),
        "mlp.down_proj.weight": (hidden, inner),
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
    }
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (config["vocab_size"], hidden)}
    for layer in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{layer}.{name}": size for name, size in block.items()}
    shapes["model.norm.weight"] = (hidden,)
    random = numpy.random.default_rng(seed)
    return {
        name: numpy.ones(size, numpy.float16)
        if "norm" in name
        else (random.standard_normal(size) * 0.02).astype(numpy.float16)
        for name, size in shapes.items()
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
