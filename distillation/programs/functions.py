"""The family that the student is pretrained on: functions on numbers, texts and lists of them."""

from collections.abc import Callable, Sequence

from distillation.programs.bench import Bench, Unit
from distillation.programs.extremes import extreme, longest, neighbours, paired
from distillation.programs.scalars import (
    clamped,
    collected,
    computed,
    delegated,
    graded,
    priced,
    spelled,
    tested,
)
from distillation.programs.selections import (
    both,
    filtered,
    joined,
    judged,
    mapped,
    ordered,
    searched,
    split,
)
from distillation.programs.totals import (
    averaged,
    counted,
    digits,
    multiplied,
    ranged,
    running,
    summed,
)

KINDS = frozenset(
    (
        "operator", "comparison", "off by one", "variable", "missing return", "constant",
        "missing case", "swapped arguments", "method", "mutable default",
    )
)  # fmt: skip
"""The bugs of this family."""


SHAPES: Sequence[Callable[[Bench], Unit]] = (
    summed, summed, multiplied, counted, counted, filtered, filtered, mapped, mapped, both,
    searched, searched, judged, judged, extreme, extreme, longest, averaged, averaged,
    neighbours, neighbours, ranged, ranged, ranged,
    clamped, graded, computed, computed, priced, delegated, delegated,
    collected, collected, collected, spelled, spelled, tested, tested,
    joined, ordered, running, paired, digits, split,
)  # fmt: skip
"""What a program of this family may hold, each as often as it is listed."""


def unit(bench: Bench) -> Unit:
    """One function."""
    return bench.pick(SHAPES)(bench)
