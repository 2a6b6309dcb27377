import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.untrusted import neutral


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x1b]52;c;ZXZpbA==\x1b\\", "␛]52;c;ZXZpbA==␛\\"),
        ("\x9b2J", "<U+009B>2J"),
        ("overwritten\rall good", "overwritten␍all good"),
        ("a\x08b\x7f", "a␈b␡"),
        ("line\r\nline\tend\n", "line\nline\tend\n"),
        ("x = '\u202etxt.exe'", "x = '<U+202E>txt.exe'"),
        ("Grüße, 世界 🎉", "Grüße, 世界 🎉"),
    ],
)
def test_what_steers_becomes_visible(text: str, shown: str) -> None:
    assert neutral(text) == shown


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    left = {c for c in neutral(text) if unicodedata.category(c) == "Cc"}
    assert left <= {"\n", "\t"}
    assert neutral(neutral(text)) == neutral(text)
