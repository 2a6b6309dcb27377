"""The gate: the old student stays unless the new one is better."""

import math
from dataclasses import dataclass

from training.scorecard import Scorecard, paired

ALPHA = 0.05
"""How often, at most, a student that is no better may pass by luck."""


@dataclass(frozen=True)
class Decision:
    """What the gate says, and why, in a sentence with figures."""

    promote: bool
    sentence: str
    probability: float
    """Of results like these or better if the two were equally good."""


def decide(old: Scorecard, new: Scorecard, alpha: float = ALPHA) -> Decision:
    """Compare on the tasks that both were judged on, by an exact one-sided sign test.

    Only tasks that exactly one of the two solved say which is better.
    """
    pairs = paired(old, new).values()
    wins = sum(pair == ("fail", "pass") for pair in pairs)
    losses = sum(pair == ("pass", "fail") for pair in pairs)
    both = sum(pair == ("pass", "pass") for pair in pairs)
    chance = sign_test(wins, losses)
    promote = wins > losses and chance <= alpha
    figures = (
        f"of {len(pairs)} held-out tasks the new student solved {wins + both}, "
        f"the old one {losses + both}"
    )
    if promote:
        reason = f"better on {wins}, worse on {losses}, p = {chance:.2g}"
        return Decision(True, f"Promoted {new.model}: {figures} ({reason}).", chance)
    return Decision(
        False, f"Kept {old.model}: {figures}; {_why(len(pairs), wins, losses, alpha)}.", chance
    )


def _why(tasks: int, wins: int, losses: int, alpha: float) -> str:
    """Why not, in a clause."""
    if not tasks:
        return "there was nothing to compare them on"
    if wins <= losses:
        return "it is no better" if wins == losses else "it is worse"
    needed = next(n for n in range(wins, 10_000) if sign_test(n, losses) <= alpha)
    chance = sign_test(wins, losses)
    return (
        f"better on {wins} and worse on {losses} may be luck (p = {chance:.2g}); "
        f"{needed} better ones would have been enough"
    )


def sign_test(wins: int, losses: int) -> float:
    """Chance of at least `wins` heads in `wins + losses` tosses of a fair coin."""
    n = wins + losses
    return sum(math.comb(n, k) for k in range(wins, n + 1)) / 2**n
