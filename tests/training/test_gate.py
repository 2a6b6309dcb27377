import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.test_scorecard import card
from training.gate import decide, sign_test


def test_both_at_nothing_says_so() -> None:
    decision = decide(card("f" * 12, "student"), card("f" * 12, "v1"))
    assert not decision.promote
    assert decision.sentence == (
        "Kept student: of 12 held-out tasks the new student solved 0, the old one 0; "
        "it is no better."
    )


def test_better_is_promoted() -> None:
    decision = decide(card("ffffffpp", "student"), card("ppppppfp", "v1"))
    # 6 wins, 1 loss: p = 8/128.
    assert (decision.promote, decision.probability) == (False, 0.0625)
    assert "7 better ones would have been enough" in decision.sentence
    decision = decide(card("fffffp", "student"), card("pppppp", "v1"))
    assert decision.promote
    assert decision.sentence == (
        "Promoted v1: of 6 held-out tasks the new student solved 6, the old one 1 "
        "(better on 5, worse on 0, p = 0.031)."
    )


def test_worse_is_not() -> None:
    decision = decide(card("pppppp"), card("ffffff"))
    assert not decision.promote
    assert decision.sentence.endswith("it is worse.")


def test_tasks_without_two_verdicts_do_not_count() -> None:
    decision = decide(card("uuuuuuuf"), card("pppppppu"))
    assert not decision.promote
    assert "of 0 held-out tasks" in decision.sentence
    assert "nothing to compare" in decision.sentence


@pytest.mark.parametrize("n", [0, 1, 4, 9])
def test_the_sign_test_counts_coins(n: int) -> None:
    for wins in range(n + 1):
        heads = [sum(coins) for coins in itertools.product((0, 1), repeat=n)]
        wanted = sum(h >= wins for h in heads) / 2**n
        assert sign_test(wins, n - wins) == pytest.approx(wanted)


@given(st.text("pfu", min_size=1, max_size=40), st.text("pfu", min_size=1, max_size=40))
def test_a_promoted_student_is_always_better(one: str, two: str) -> None:
    size = min(len(one), len(two))
    old, new = card(one[:size]), card(two[:size])
    if decide(old, new).promote:
        assert sum(a + b == "fp" for a, b in zip(one, two, strict=False)) >= 5
        assert not decide(new, old).promote
