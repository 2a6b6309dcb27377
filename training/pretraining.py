"""The numbers of a pretraining run."""

from dataclasses import dataclass, field
from itertools import pairwise

from training.corpus import Corpus, Manner, Row
from training.student import Shape

KINDS = (
    "copies", "spoilt", "drills", "slips", "swaps", "real", "episodes", "hard", "chats", "pages",
)  # fmt: skip
SHAPE = Shape(
    vocabulary=2048,
    hidden=256,
    feed_forward=512,
    layers=4,
    heads=4,
    key_value_heads=4,
    context=4096,
    theta=1e7,
)


@dataclass(frozen=True)
class Phase:
    """So many optimiser steps, each on so many rows of each kind."""

    steps: int
    copies: int = 0
    spoilt: int = 0
    drills: int = 0
    slips: int = 0
    swaps: int = 0
    real: int = 0
    episodes: int = 0
    hard: int = 0
    chats: int = 0
    pages: int = 0
    compounds: float = 0.0
    """Share of the words in the names of drills that are two in one."""
    brief: float = 1.0
    """What a token counts of a turn in an episode that is brief: there the student decides where it
    goes, in few tokens among the many that it writes files with."""

    @property
    def manner(self) -> Manner:
        """How its rows are made."""
        return Manner(self.compounds, self.brief)


@dataclass(frozen=True)
class Pretraining:
    """The numbers of a run. Two equal ones on the same episodes give the same student."""

    phases: tuple[Phase, ...] = (
        Phase(steps=900, copies=1, spoilt=8, drills=4),
        Phase(steps=400, copies=1, spoilt=5, drills=4, slips=3),
        Phase(steps=350, copies=1, spoilt=5, drills=4, slips=3, compounds=0.5),
        Phase(150, spoilt=1, drills=3, slips=2, episodes=3, chats=1, pages=1, compounds=0.5),
        Phase(600, drills=2, slips=2, episodes=4, chats=1, compounds=0.5, brief=3.0),
        Phase(300, drills=2, slips=2, real=4, hard=3, compounds=0.5, brief=3.0),
        Phase(500, drills=1, slips=1, real=3, hard=4, chats=1, compounds=0.5, brief=3.0),
        Phase(120, drills=1, slips=1, real=1, hard=5, chats=1, compounds=0.5, brief=4.0),
        Phase(300, drills=3, slips=1, real=1, hard=4, chats=1, compounds=0.5, brief=4.0),
        Phase(250, drills=3, slips=1, swaps=4, hard=3, chats=1, compounds=0.5, brief=4.0),
    )
    matrices: float = 0.007
    """Learning rate of Muon, which trains the matrices of the blocks."""
    others: float = 3e-3
    """Learning rate of AdamW, which trains embeddings, norms and biases."""
    rates: tuple[tuple[int, float], ...] = (
        *((0, 1 / 30), (29, 1.0), (840, 1.0), (1800, 5 / 21)),
        *((1830, 0.45), (2130, 0.45), (2400, 0.01)),
        *((2430, 0.45), (2700, 0.45), (3200, 0.01)),
        *((3210, 0.3), (3300, 0.15), (3320, 0.01)),
        *((3340, 0.35), (3500, 0.35), (3620, 0.01)),
        *((3640, 0.35), (3770, 0.35), (3870, 0.01)),
    )
    """What the learning rates are multiplied by at these steps; in a straight line between them.
    They rise again for the episodes, which are another task than the drills before."""
    averaged: tuple[int, ...] = (3320, 3620, 3870)
    """Steps after which the weights are kept: the ends of the last three falls of the rate. Their
    mean is the student (Izmailov et al., "Averaging Weights Leads to Wider Optima", 2018)."""
    every: int = 100
    """Steps between checkpoints."""
    shards: int = 9
    """Of episodes."""
    hard: int = 9
    """Of hard ones."""
    played: int = 200
    """Episodes in each of them; few fail and are left out."""
    probed: int = 60
    """Held-out drills that are looked at now and then."""
    seed: int = 0
    shape: Shape = field(default=SHAPE)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return sum(phase.steps for phase in self.phases)

    def factor(self, step: int) -> float:
        """What the learning rates are multiplied by at a step, counted from 0."""
        for (start, low), (end, high) in pairwise(self.rates):
            if step <= end:
                return low + (high - low) * (step - start) / (end - start)
        return self.rates[-1][1]

    def rows(self, corpus: Corpus, step: int) -> list[Row]:
        """The rows of a step."""
        at, phase, done = step, self.phases[0], dict.fromkeys(KINDS, 0)
        for phase in self.phases:
            for kind in KINDS:
                done[kind] += min(at, phase.steps) * getattr(phase, kind)
            if at < phase.steps:
                break
            at -= phase.steps
        return [
            row
            for kind in KINDS
            for row in corpus.rows(kind, done[kind], getattr(phase, kind), phase.manner)
        ]
