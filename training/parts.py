"""What training needs to be installed."""

from importlib.util import find_spec

PARTS = (
    *("torch", "transformers", "peft", "bitsandbytes", "accelerate"),
    *("llama_cpp", "gguf", "tokenizers", "safetensors"),
)


def missing_parts() -> list[str]:
    """The modules that `assistant retrain` needs and that are not installed; imports none."""
    return [name for name in PARTS if find_spec(name) is None]
