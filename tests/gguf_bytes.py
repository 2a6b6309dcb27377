"""GGUF files written by hand, so that their reader is not tested with its own twin."""

import struct
from collections.abc import Mapping

Value = str | int | list[str]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}<tool_call>"
QWEN: Mapping[str, Value] = {
    "general.architecture": "qwen2",
    "general.license": "mit",
    "general.file_type": 0,
    "qwen2.context_length": 4096,
    "qwen2.block_count": 2,
    "qwen2.embedding_length": 64,
    "qwen2.attention.head_count": 4,
    "qwen2.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "ä"],
    "tokenizer.chat_template": TEMPLATE,
}


def gguf(values: Mapping[str, Value] = QWEN, numbers: int = 1000) -> bytes:
    """A file with these values and one tensor of so many 32-bit numbers."""
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, len(values))
    for key, value in values.items():
        data += _text(key) + _value(value)
    data += _text("t") + struct.pack("<IQIQ", 1, numbers, 0, 0)
    data += b"\0" * (-len(data) % 32)
    return data + b"".join(struct.pack("<I", n) for n in range(numbers))


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
