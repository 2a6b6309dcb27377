"""A sealed report is believed, anything else is not."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.evidence import Evidence, sealed

_GOOD = Evidence(collected=3, broken=0, passed=3, failed=0, skipped=0, exit=0)


def _line(evidence: Evidence, key: bytes) -> str:
    text = json.dumps(vars(evidence))
    return f"witness: {text} {hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}\n"


def test_the_seal_decides() -> None:
    output = f"dots\n{_line(_GOOD, b'wrong')}{_line(_GOOD, b'right')}more\n"
    assert sealed(output, b"right")[0] == _GOOD
    assert sealed(output, b"other")[0] is None
    assert "right" not in sealed(output, b"right")[1]


@given(st.text())
def test_any_output_can_be_read(output: str) -> None:
    assert sealed(output, b"key") == (None, output)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"failed": 1}, "1 tests failed"),
        ({"broken": 2}, "2 test files could not be imported"),
        ({"exit": 2}, "failed"),
        ({"passed": 0}, "no test ran"),
        ({"passed": 2}, "only 2 of 3"),
        ({"passed": 2, "skipped": 1}, "1 tests were skipped"),
    ],
)
def test_what_makes_a_pass(change: dict[str, int], problem: str | None) -> None:
    found = Evidence(**{**vars(_GOOD), **change}).problem(skipping=False)
    assert (found is None) if problem is None else (problem in (found or ""))


def test_skipping_is_allowed_where_the_tests_do_it() -> None:
    assert Evidence(3, 0, 2, 0, 1, 0).problem(skipping=True) is None
    assert Evidence(1, 0, 0, 0, 1, 0).problem(skipping=True) == "no test ran"
