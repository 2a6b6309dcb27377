"""A harder family that pretraining leaves out: classes and slices, besides `tallies`.

Some dozens of lessons do not teach it to the student that is shipped, see docs/experiments.md.
"""

from collections.abc import Callable, Sequence

from distillation.programs.bench import Bench, Unit
from distillation.programs.objects import account, record, shelf, stock, switch, tally
from distillation.programs.parts import chosen, counts, grouped, letters, moved, part, totals

KINDS = frozenset(
    ("attribute", "missing update", "slice", "inverted condition", "initial value")
)  # fmt: skip
"""The bugs of this family."""

SHAPES: Sequence[Callable[[Bench], Unit]] = (
    tally, tally, account, account, record, record, shelf, stock, switch,
    counts, chosen, totals, grouped, part, part, moved, letters,
)  # fmt: skip
"""What a program of this family may hold, each as often as it is listed."""


def unit(bench: Bench) -> Unit:
    """One class or function."""
    return bench.pick(SHAPES)(bench)
