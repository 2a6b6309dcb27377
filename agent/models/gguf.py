"""The header of a GGUF file: what a model is, read without loading it."""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, prod
from pathlib import Path

from sandbox.refused import Refused

_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""GGUF's types of values, as `struct` knows them; 8 is a text, 9 an array."""
_TEXT, _ARRAY = 8, 9
_ADAPTER = "adapter"
_DIMENSIONS = 4
"""That a tensor of ggml has at most."""

# Of llama.cpp's enumeration `llama_ftype`.
_QUANTISATIONS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
# Of ggml's enumeration `ggml_type`: numbers in a block, and its bytes.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip

Value = str | int | float | bool


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says of itself."""

    values: Mapping[str, Value]
    """Its metadata without the arrays."""
    parameters: int
    """Numbers in all its tensors."""
    bytes: int
    """That the file needs at least, as its tensors lie."""

    @staticmethod
    def read(path: Path) -> "GgufHeader":
        """Read the header of a file, and see that the file is as long as it must be.

        Raises:
            Refused: there is no such file, it is no GGUF file, or it is cut short.
        """
        if not path.is_file():
            raise Refused(f"There is no file {path}: give the path of a GGUF file.")
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise Refused(f"{path} is no GGUF file: give the path of one.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                try:
                    header = _Reader(data).header()
                except (struct.error, UnicodeDecodeError, ValueError, OverflowError) as error:
                    raise Refused(
                        f"{path} cannot be read as GGUF ({error}): get the file again."
                    ) from error
                if len(data) < header.bytes:
                    raise Refused(
                        f"{path} is cut short ({len(data)} of {header.bytes} bytes): "
                        "get the file again."
                    )
        return header

    def text(self, key: str) -> str:
        """A text of the metadata, or an empty one."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """A number that belongs to the architecture, such as `block_count`; 0 where it is not."""
        value = self.values.get(f"{self.architecture}.{key}", 0)
        # A file may hold infinity, or less than nothing.
        return max(int(value), 0) if isinstance(value, int | float) and isfinite(value) else 0

    @property
    def architecture(self) -> str:
        """Such as `qwen2`."""
        return self.text("general.architecture")

    @property
    def is_adapter(self) -> bool:
        """Whether it is a LoRA adapter, which no model can do without."""
        return self.text("general.type") == _ADAPTER

    @property
    def template(self) -> str:
        """The chat template; empty where it is not made for chatting."""
        return self.text("tokenizer.chat_template")

    @property
    def context(self) -> int:
        """Tokens that it was trained for."""
        return self.number("context_length")

    @cached_property
    def quantisation(self) -> str:
        """Such as `Q4_K_M`; empty where it is not said."""
        kind = self.values.get("general.file_type")
        return _QUANTISATIONS.get(kind, "") if isinstance(kind, int) else ""

    def cache(self, tokens: int) -> int:
        """Bytes of keys and values for so many tokens, at 16 bits a number."""
        heads = self.number("attention.head_count") or 1
        width = self.number("embedding_length") // heads
        keys = self.number("attention.key_length") or width
        values = self.number("attention.value_length") or width
        shared = self.number("attention.head_count_kv") or heads
        return 2 * tokens * self.number("block_count") * shared * (keys + values)


class _Reader:
    """Goes through a header from its start."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def header(self) -> GgufHeader:
        version = self._scalar("I")
        if version not in (2, 3):
            raise ValueError(f"its version is {version}")
        tensors, pairs = int(self._scalar("Q")), int(self._scalar("Q"))
        values: dict[str, Value] = {}
        for _ in range(pairs):
            key = self._text()
            value = self._value(int(self._scalar("I")))
            if value is not None:
                values[key] = value
        sizes = [self._tensor() for _ in range(tensors)]
        step = values.get("general.alignment", 32)
        alignment = step if isinstance(step, int) and step > 0 else 32
        start = -(-self._at // alignment) * alignment
        end = max((start + offset + size for offset, size, _ in sizes), default=self._at)
        return GgufHeader(values, sum(count for *_, count in sizes), end)

    def _scalar(self, code: str) -> int | float | bool:
        (value,) = struct.unpack_from(f"<{code}", self._data, self._at)
        self._at += struct.calcsize(f"<{code}")
        return value

    def _text(self) -> str:
        start = self._at + 8
        self._skip_text()
        return self._data[start : self._at].decode()

    def _skip_text(self) -> None:
        (size,) = struct.unpack_from("<Q", self._data, self._at)
        self._skip(8 + size)

    def _skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise ValueError("it breaks off")

    def _value(self, kind: int) -> Value | None:
        if kind == _TEXT:
            return self._text()
        if kind != _ARRAY:
            return self._scalar(_code(kind))
        self._array()
        return None

    def _array(self) -> None:
        kind, count = int(self._scalar("I")), int(self._scalar("Q"))
        if kind == _ARRAY:
            raise ValueError("arrays of arrays are not known")
        if kind != _TEXT:
            self._skip(count * struct.calcsize(f"<{_code(kind)}"))
            return
        for _ in range(count):
            self._skip_text()

    def _tensor(self) -> tuple[int, int, int]:
        """Offset, bytes and numbers of the next tensor."""
        self._skip_text()
        if (dimensions := int(self._scalar("I"))) > _DIMENSIONS:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        shape = [int(self._scalar("Q")) for _ in range(dimensions)]
        kind, offset, count = int(self._scalar("I")), int(self._scalar("Q")), prod(shape)
        block, size = _BLOCKS.get(kind, (1, 0))
        return offset, count // block * size, count


def _code(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"values of type {kind} are not known")
    return _SCALARS[kind]
