from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.task import Task
from sandbox.check import Check, Outcome
from sandbox.refused import Refused
from training.scorecard import Result, Scorecard, hash_of, paired, wilson


def card(outcomes: str, model: str = "m") -> Scorecard:
    """One letter a task: p(ass), f(ail), u(nknown)."""
    names: dict[str, Outcome] = {"p": "pass", "f": "fail", "u": "unknown"}
    results = [
        Result(f"t{n}", f"d{n}", names[letter], "end", 3, 1.0, f"e{n}")
        for n, letter in enumerate(outcomes)
    ]
    return Scorecard(model, "tasks", tuple(results))


def test_unknown_is_neither_solved_nor_counted() -> None:
    found = card("ppfu")
    assert (found.solved, found.judged, found.rate) == (2, 3, 2 / 3)
    assert str(found) == "2 of 3 (21 to 94 %), 1 could not be judged"
    assert (card("u").rate, card("u").interval) == (0.0, (0.0, 1.0))


@pytest.mark.parametrize(
    ("solved", "of", "low", "high"),
    [
        # Published: Newcombe, "Two-sided confidence intervals for the single proportion",
        # Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_as_published(solved: int, of: int, low: float, high: float) -> None:
    assert wilson(solved, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_interval_holds_the_share(solved: int, failed: int) -> None:
    low, high = wilson(solved, solved + failed)
    if solved + failed:
        assert 0 <= low <= solved / (solved + failed) <= high <= 1


def test_pairs_are_the_very_same_tasks_judged_twice() -> None:
    old, new = card("ppuf"), card("pffp")
    changed = replace(new.results[3], digest="another")
    new = replace(new, results=(*new.results[:3], changed))
    assert paired(old, new) == {"t0": ("pass", "pass"), "t1": ("pass", "fail")}


def test_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "scores/a.json"
    card("pfu").write(path)
    assert Scorecard.read(path) == card("pfu")
    path.write_text(path.read_text()[:50])
    with pytest.raises(Refused, match=r"a\.json is broken"):
        Scorecard.read(path)


def test_the_set_of_tasks_has_a_name_without_order() -> None:
    one, two = (Task(id, "p", Check((("true",),))) for id in ("a", "b"))
    assert hash_of([one, two]) == hash_of([two, one]) != hash_of([one])
    assert hash_of([replace(one, prompt="q"), two]) != hash_of([one, two])
