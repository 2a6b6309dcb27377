"""Stop reasons in words."""

import pytest

from assistant.stops import ended_early


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [
        ("length", "The turn ended early: the answer grew too long and was cut."),
        ("limit: steps", "The turn ended early: its limit on steps is used up."),
        ("budget", "The turn ended early: budget."),
    ],
)
def test_stops(stop: str, sentence: str) -> None:
    assert ended_early(stop) == sentence
