"""What a program is made on: chance, names, and the pieces that every family uses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from distillation.programs.names import Names
from distillation.programs.sites import site

_T = TypeVar("_T")
Sample = Callable[["Bench"], object]
"""Makes an argument for a test."""


@dataclass(frozen=True)
class Parameter:
    """Of a function: its name and how arguments for it are made."""

    name: str
    sample: Sample


@dataclass(frozen=True)
class Piece:
    """A part of a function, in words and in code, with the parameters that it needs."""

    words: str
    code: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Unit:
    """One function or class of a program, its code with marks."""

    name: str
    code: str
    cases: Callable[["Bench"], str]
    """Makes an expression that a test can compare with its value; `{m}` is the module's prefix."""


@dataclass
class Bench:
    """Chance, names and numbers of one program."""

    random: Random
    names: Names
    near: list[int] = field(default_factory=list[int])
    """Numbers that the code compares with: tests should come close to them."""

    def pick(self, choices: Sequence[_T]) -> _T:
        """One of these."""
        return self.random.choice(choices)

    def often(self, chance: float) -> bool:
        """True in this share of the cases."""
        return self.random.random() < chance

    def variable(self) -> str:
        """A fresh name."""
        return self.names.variable()

    def function(self) -> str:
        """A fresh name."""
        return self.names.function()

    def number(self, low: int = 2, high: int = 12, given: float = 0.5) -> Piece:
        """A number: a parameter in the share `given` of the cases, else a constant."""
        if self.often(given):
            name = self.variable()
            return Piece(name, name, (Parameter(name, lambda b: b.random.randint(low, high)),))
        value = self.random.randint(low, high) * self.pick((1, 1, 1, 5, 10))
        self.near.append(value)
        wrong = self.random.sample([value + 1, value - 1, value * 10, value + 10, value * 2], 2)
        return Piece(str(value), site("constant", value, *wrong))

    def integer(self) -> int:
        """A number for a test, often near one that the code compares with."""
        if self.near and self.often(0.5):
            return self.pick(self.near) + self.pick((-1, 0, 0, 1, 2))
        return self.random.randint(-3, 14)

    def integers(self, low: int = 2, high: int = 5) -> list[int]:
        """A list of numbers for a test."""
        return [self.integer() for _ in range(self.random.randint(low, high))]


def call(name: str, parameters: Sequence[Parameter]) -> Callable[[Bench], str]:
    """Tests of a function: a call with sampled arguments."""

    def make(bench: Bench) -> str:
        given = ", ".join(repr(parameter.sample(bench)) for parameter in parameters)
        return f"{{m}}{name}({given})"

    return make
