"""What a stage tells while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """One piece of news."""

    stage: str
    """`dataset`, `encode`, `train`, `export`, `fidelity`, `evaluate` or `gate`."""
    text: str
    """One line for people."""
    share: float | None = None
    """How much of the stage is done, 0 to 1; None where nobody knows."""
    values: dict[str, float] = field(default_factory=dict[str, float])
    """The figures in the text, for tables and curves: `step`, `loss`, `eval_loss`, …"""


Tell: TypeAlias = Callable[[Progress], None]
