"""Headers of GGUF files, whole, cut and mangled."""

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.models.gguf import GgufHeader
from sandbox.refused import Refused
from tests.gguf_bytes import QWEN, TEMPLATE, gguf

WHOLE = gguf()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "a.gguf"


def test_a_header_says_what_the_model_is(place: Path) -> None:
    place.write_bytes(WHOLE)
    header = GgufHeader.read(place)
    assert (header.architecture, header.quantisation, header.context) == ("qwen2", "F32", 4096)
    assert (header.template, header.parameters) == (TEMPLATE, 1000)
    assert header.bytes == len(WHOLE)
    # Keys and values of two heads of 16 numbers, in two blocks, two bytes each.
    assert header.cache(10) == 2 * 10 * 2 * 2 * (16 + 16)
    assert not header.is_adapter


def test_what_another_writer_made_is_read_as_well(random_gguf: Path) -> None:
    header = GgufHeader.read(random_gguf)
    assert (header.architecture, header.context) == ("qwen2", 512)
    assert header.bytes <= random_gguf.stat().st_size
    assert "<tool_call>" in header.template


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_a_file_that_is_cut_anywhere_is_refused(place: Path, cut: int) -> None:
    place.write_bytes(WHOLE[:cut])
    with pytest.raises(Refused, match=r"a\.gguf (is|cannot).*: (get the file|give the path)"):
        GgufHeader.read(place)


@given(at=st.integers(4, WHOLE.index(b"general.license")), value=st.binary(min_size=1, max_size=8))
def test_a_mangled_file_is_read_or_refused(place: Path, at: int, value: bytes) -> None:
    place.write_bytes(WHOLE[:at] + value + WHOLE[at + len(value) :])
    with suppress(Refused):
        GgufHeader.read(place)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no GGUF file"),
        (b"GGUF", "cannot be read"),
        (b"PK\3\4" + WHOLE[4:], "is no GGUF file"),
        (b"GGUF\x09\0\0\0" + WHOLE[8:], "its version is 9"),
    ],
)
def test_what_is_no_model(place: Path, data: bytes, words: str) -> None:
    place.write_bytes(data)
    with pytest.raises(Refused, match=words):
        GgufHeader.read(place)
    with pytest.raises(Refused, match="There is no file"):
        GgufHeader.read(place.with_name("b.gguf"))


def test_an_adapter_is_told_apart(place: Path) -> None:
    place.write_bytes(gguf({**QWEN, "general.type": "adapter"}))
    assert GgufHeader.read(place).is_adapter


def test_numbers_that_make_no_sense_count_nothing(place: Path) -> None:
    name = b"qwen2.context_length"
    whole = gguf()
    at = whole.index(name) + len(name)
    # As a floating-point number that is infinite.
    place.write_bytes(whole[:at] + struct.pack("<If", 6, float("inf")) + whole[at + 8 :])
    assert GgufHeader.read(place).context == 0
    at = whole.index(b"\1\0\0\0\0\0\0\0t") + 9
    place.write_bytes(whole[:at] + struct.pack("<I", 5) + whole[at + 4 :])
    with pytest.raises(Refused, match="a tensor has 5 dimensions"):
        GgufHeader.read(place)
