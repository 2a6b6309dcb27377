"""Arguments for tests: how they are made, and what lists hold."""

from collections.abc import Sequence

from distillation.programs.bench import Bench, Parameter
from distillation.programs.pieces import (
    NUMBER_CHANGES,
    NUMBER_CONDITIONS,
    TEXT_CHANGES,
    TEXT_CONDITIONS,
    Choice,
)
from distillation.programs.samples import texts


def numbers(name: str) -> Parameter:
    return Parameter(name, lambda b: b.integers())


def some(name: str) -> Parameter:
    """A list that is often empty."""
    return Parameter(name, lambda b: [] if b.often(0.4) else b.integers(1, 4))


def texts_of(name: str) -> Parameter:
    return Parameter(name, texts)


def listed(b: Bench) -> tuple[Parameter, Sequence[Choice], Sequence[Choice], tuple[str, ...]]:
    """A list of numbers or of texts: its parameter, conditions, changes and what it holds."""
    name = b.variable()
    if b.often(0.65):
        return numbers(name), NUMBER_CONDITIONS, NUMBER_CHANGES, ("values", "numbers", "items")
    return texts_of(name), TEXT_CONDITIONS, TEXT_CHANGES, ("words", "texts", "names")
