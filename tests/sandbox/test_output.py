"""The cap keeps head and tail, and says what it cut."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sandbox.lent.output import Capped


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(min_value=2, max_value=60))
def test_head_and_tail_are_kept(pieces: list[bytes], limit: int) -> None:
    capped = Capped(limit)
    for piece in pieces:
        capped.feed(piece)
    data = b"".join(pieces)
    kept = capped.bytes()
    if len(data) <= limit:
        assert kept == data
        assert capped.cut == 0
    else:
        head, tail = limit - limit // 2, limit // 2
        assert kept.startswith(data[:head])
        assert kept.endswith(data[len(data) - tail :])
        assert capped.cut == len(data) - limit
        note = kept[head : len(kept) - tail]
        assert re.fullmatch(rb"\n\[\.\.\. (\d+) bytes cut \.\.\.\]\n", note)
        assert str(capped.cut).encode() in note


def test_memory_stays_small_in_a_flood() -> None:
    capped = Capped(1000)
    for _ in range(10_000):
        capped.feed(b"x" * 1000)
    assert len(capped.bytes()) < 1100
    assert capped.cut == 10_000_000 - 1000


def test_bytes_that_are_no_text_become_text() -> None:
    capped = Capped(100)
    capped.feed(b"a\xffb")
    assert capped.text() == "a\ufffdb"
