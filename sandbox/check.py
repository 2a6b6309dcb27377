"""How a solution is judged, and the judgement."""

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True)
class Check:
    """Commands that must all succeed in a fresh copy of the workspace."""

    commands: tuple[tuple[str, ...], ...]
    """`{python}` in an argument stands for the workspace's interpreter."""
    protected: dict[str, str] = field(default_factory=dict[str, str])
    """Path to text: files put back before the check, whatever the episode did to them."""
    seconds: float = 60.0


@dataclass(frozen=True)
class Verdict:
    """Whether a check passed; `unknown` means that the infrastructure failed, not the solution."""

    outcome: Outcome
    failures: tuple[str, ...] = ()
    """One text a failed command: its tail, for people and for failure analysis."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """True for `pass` only."""
        return self.outcome == "pass"
