"""The family that pretraining leaves out: classes, dictionaries and parts of texts.

Its bugs are of other kinds than those of `functions`, too: the demo shows a student that learns it.
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
