"""A sealed report is believed, anything else is not."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.evidence import Evidence, sealed

_ALL = {"t.py::test_a": "passed", "t.py::test_b": "passed", "t.py::T::test_c": "passed"}
_GOOD = Evidence(collected=3, broken=0, passed=3, failed=0, skipped=0, exit=0, tests=_ALL)


def _line(text: str, key: bytes) -> str:
    return f"witness: {text} {hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}\n"


def test_the_seal_decides() -> None:
    good = json.dumps(vars(_GOOD))
    output = f"dots\n{_line(good, b'wrong')}{_line(good, b'right')}more\n"
    assert sealed(output, b"right")[0] == _GOOD
    assert sealed(output, b"other")[0] is None
    assert "right" not in sealed(output, b"right")[1]


@given(st.text())
def test_any_output_can_be_read(output: str) -> None:
    assert sealed(output, b"key") == (None, output)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


@given(st.dictionaries(st.sampled_from([*vars(_GOOD), "more"]), _JSON))
def test_any_sealed_report_can_be_read(report: dict[str, object]) -> None:
    """The key may have been stolen: what is sealed is not thereby in order."""
    found, _ = sealed(_line(json.dumps(report), b"key"), b"key")
    assert found is None or found.problem() is not None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, ""),
        ({"failed": 1}, "1 tests failed"),
        ({"broken": 2}, "2 test files could not be imported"),
        ({"exit": 2}, "failed"),
        ({"passed": 0}, "no test ran"),
        ({"passed": 2}, "only 2 of 3"),
        (
            {"passed": 2, "skipped": 1, "tests": {**_ALL, "t.py::test_a": "passed+skipped"}},
            "tests were skipped, which they do not do by themselves: t.py::test_a",
        ),
        ({"tests": {"t.py::test_a": "passed"}}, "tests did not run: t.py::T::test_c, t.py::test_b"),
    ],
)
def test_what_makes_a_pass(change: dict[str, object], problem: str) -> None:
    found = Evidence(**{**vars(_GOOD), **change}).problem(must=_ALL.keys())  # pyright: ignore[reportArgumentType]
    assert (problem in found) if problem else not found


def test_skipping_is_allowed_where_the_tests_do_it() -> None:
    ended = {"t.py::test_a": "skipped", "t.py::test_b": "passed"}
    skipped = Evidence(2, 0, 1, 0, 1, 0, ended)
    assert not skipped.problem(skippable={"t.py::test_a"})
    assert skipped.problem(skippable={"t.py::test_b"}).endswith("t.py::test_a")
    assert Evidence(1, 0, 0, 0, 1, 0).problem() == "no test ran"


def test_passed_of_names_a_few() -> None:
    many = {f"t.py::test_{letter}": "passed" for letter in "abcde"}
    evidence = Evidence(6, 0, 5, 1, 0, 1, {**many, "t.py::test_f": "failed"})
    assert evidence.passed_of(many.keys()) == (
        "t.py::test_a, t.py::test_b, t.py::test_c and 2 more"
    )
    assert evidence.passed_of({"t.py::test_f"}) == ""
