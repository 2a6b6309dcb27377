"""Long texts keep head and tail."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tools.clip import clip


@given(st.text(st.sampled_from("ab\n é"), max_size=400), st.integers(20, 200))
def test_head_and_tail_are_kept_and_the_rest_is_counted(text: str, limit: int) -> None:
    clipped, cut = clip(text, "look elsewhere", limit)
    if len(text) <= limit:
        assert (clipped, cut) == (text, False)
        return
    assert cut
    found = re.search(r"\n?\[\.\.\. (\d+) characters cut \((\d+) lines\); .*? \.\.\.\]\n", clipped)
    assert found
    assert "to see them, look elsewhere" in found[0]
    tail = clipped[found.end() :]
    head = clipped[: found.start()]
    head += (
        "\n"
        if text.startswith(head + "\n") and len(head) + len(tail) + int(found[1]) < len(text)
        else ""
    )
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) + int(found[1]) == len(text)
    assert len(head) + len(tail) <= limit


def test_lines_are_kept_whole() -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    clipped, _ = clip(text, "look")
    for line in clipped.splitlines():
        assert re.fullmatch(r"line \d+|\[\.\.\. .* \.\.\.\]", line)
