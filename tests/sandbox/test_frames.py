"""Any bytes in any pieces are frames or refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.lent import settings
from sandbox.lent.frames import KINDS, LONGEST, BadFrame, Decoder, Order, frame

_FRAMES = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 2**32 - 1), st.binary(max_size=300)),
    max_size=8,
)
_TEXT = st.binary(max_size=20).filter(lambda data: b"\0" not in data)


def _fed(data: bytes, cuts: list[int]) -> list[tuple[int, int, bytes]]:
    decoder = Decoder()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    return [each for piece in pieces for each in decoder.feed(piece)]


@given(_FRAMES, st.lists(st.integers(min_value=0), max_size=20))
def test_what_was_said_is_heard_however_it_is_cut(
    said: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    assert _fed(b"".join(frame(*each) for each in said), cuts) == said


@given(st.binary(max_size=400), st.lists(st.integers(min_value=0), max_size=20))
def test_any_bytes_are_frames_or_refused(data: bytes, cuts: list[int]) -> None:
    try:
        heard = _fed(data, cuts)
    except BadFrame:
        return
    assert all(kind in KINDS for kind, _, _ in heard)
    # What was taken for frames is what was sent; the rest waits for more.
    assert data.startswith(b"".join(frame(*each) for each in heard))


@given(st.integers(LONGEST + 1, 2**32 - 1))
def test_a_frame_that_is_too_long_is_refused_at_its_head(length: int) -> None:
    with pytest.raises(BadFrame):
        Decoder().feed(length.to_bytes(4, "big") + frame(17, 1)[4:])


@given(
    st.lists(_TEXT, min_size=1, max_size=6),
    st.dictionaries(_TEXT, _TEXT, max_size=6),
    _TEXT,
    st.integers(0, 2**32 - 1),
    st.integers(0, 7),
)
def test_an_order_comes_as_it_was_given(
    argv: list[bytes], env: dict[bytes, bytes], workdir: bytes, kept: int, flags: int
) -> None:
    order = Order.unpack(Order(argv, env, workdir, kept, flags).pack())
    assert (order.argv, order.env, order.workdir) == (argv, env, workdir)
    assert (order.output_bytes, order.flags) == (kept, flags)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_order_or_refused(data: bytes) -> None:
    try:
        order = Order.unpack(data)
    except BadFrame:
        return
    assert Order.unpack(order.pack()).argv == order.argv


def test_settings_come_as_they_were_given() -> None:
    told: dict[str, object] = {
        "watch_memory_mb": 7,
        "reap": "namespace",
        "landlock": True,
        "proxy": "/run/proxy.sock",
        "rlimits": {"fsize": 5, "nofile": 99},
        "watch_disk": False,
    }
    heard = settings.unpack(settings.pack(told))
    assert heard.watch_memory == 7 * 2**20
    assert heard.alone
    assert heard.landlock
    assert heard.proxy == "/run/proxy.sock"
    assert {5, 99} <= {value for _, value in heard.rlimits}


@given(st.binary(max_size=60))
def test_any_bytes_are_settings_or_refused(data: bytes) -> None:
    try:
        assert settings.unpack(data).watch_memory % 2**20 == 0
    except BadFrame:
        return
