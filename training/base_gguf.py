"""A Qwen2 folder as an F16 GGUF, written directly: the converter needs torch, this does not.

Covers what the student uses: dense Qwen2, byte-level BPE, safetensors in one file. A test holds it
to llama.cpp's own converter.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from numpy.typing import NDArray


def write(folder: Path, path: Path) -> None:
    """Write the model in `folder` (config, tokenizer, `model.safetensors`) to `path`."""
    from gguf import GGUFWriter

    config: dict[str, Any] = _read(folder / "config.json")
    writer = GGUFWriter(path, "qwen2")
    _add_shape(writer, folder, config)
    _add_tokenizer(writer, folder, config)
    _add_tensors(writer, folder, config["num_hidden_layers"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: "GGUFWriter", folder: Path, config: dict[str, Any]) -> None:
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    writer.add_type("model")
    writer.add_name("student")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if temperature := _read(folder / "generation_config.json").get("temperature"):
        writer.add_sampling_temp(temperature)
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(GGML_QUANT_VERSION)


def _add_tokenizer(writer: "GGUFWriter", folder: Path, config: dict[str, Any]) -> None:
    from gguf import TokenType

    tokenizer: dict[str, Any] = _read(folder / "tokenizer.json")
    special = {token["id"] for token in tokenizer["added_tokens"] if token["special"]}
    vocabulary = cast("dict[str, int]", tokenizer["model"]["vocab"])
    vocabulary |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(vocabulary, key=lambda text: vocabulary[text])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    kinds = [TokenType.CONTROL if i in special else TokenType.NORMAL for i in range(len(tokens))]
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(_read(folder / "tokenizer_config.json")["chat_template"])


def _add_tensors(writer: "GGUFWriter", folder: Path, layers: int) -> None:
    import numpy
    from gguf import MODEL_ARCH, get_tensor_name_map
    from safetensors import numpy as safetensors

    load = cast("Any", safetensors.load_file)
    tensors: dict[str, NDArray[numpy.float16]] = load(folder / "model.safetensors")
    names = get_tensor_name_map(MODEL_ARCH.QWEN2, layers)
    for name, tensor in tensors.items():
        # llama.cpp wants vectors (norms, biases) in full precision.
        kind = numpy.float32 if tensor.ndim == 1 else numpy.float16
        new = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if new is None:
            raise ValueError(f"{folder} has a tensor that no Qwen2 has: {name}")
        writer.add_tensor(new, tensor.astype(kind))


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
