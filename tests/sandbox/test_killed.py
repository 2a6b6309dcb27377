"""A killed parent leaves nothing behind, whenever it was killed; 100 kills are in `benchmarks/`."""

import random
from collections import Counter

import pytest

from benchmarks.sandbox_killed import kill


@pytest.mark.parametrize("warden", [False, True])
def test_kill_minus_nine_at_random_moments(warden: bool) -> None:
    moments = random.Random(7)
    left: Counter[str] = Counter()
    seen = 0
    for attempt in range(6):
        found, count, _ = kill(1.0 if attempt == 0 else moments.uniform(0, 0.6), warden=warden)
        left.update(found)
        seen = max(seen, count)
    # The first attempt waited until commands ran: the warden, and three of each in the sandboxes.
    assert seen >= 10
    assert not left
