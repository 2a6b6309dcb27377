"""Identifiers for generated programs, from two vocabularies that have no word in common.

What a student is tested on is then named with words that no generated program of its training has
for a name as they are; code of people, which it also reads, knows some of them.
"""

import hashlib
import keyword
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from random import Random

from agent.task import Split

_HELD_OUT = 5
"""One word in so many is kept for held-out programs."""
_LISTS = {
    name: text.split()
    for name, text in tomllib.loads(
        files("distillation.programs").joinpath("words.toml").read_text(encoding="utf-8")
    ).items()
}
_TAKEN = frozenset(_LISTS["taken"])
_OPEN = 3
"""How often, to one of each ending, a syllable has none."""


def _free(word: str) -> bool:
    return not keyword.iskeyword(word) and word not in _TAKEN


def split_of_word(word: str) -> Split:
    """Which programs may use this word in their names."""
    point = hashlib.sha256(f"word {word}".encode()).digest()[0]
    return "heldout" if point % _HELD_OUT == 0 else "train"


_KNOWN: dict[Split, list[str]] = {
    split: sorted({w for w in _LISTS["words"] if _free(w) and split_of_word(w) == split})
    for split in ("train", "heldout")
}


_ALL = sorted({word for split in _KNOWN.values() for word in split})


@dataclass
class Names:
    """Draws identifiers for one program; none is given out twice."""

    random: Random
    split: Split
    used: set[str] = field(default_factory=set[str])
    compounds: float = 0.0
    """Share of words that are two in one. Their halves may be of either split, the whole is not: a
    model that never met the pieces of a word in a name cannot copy it."""

    def word(self) -> str:
        """One word: known, made of syllables, or a compound."""
        if self.compounds and self.random.random() < self.compounds:
            return self._compound()
        if self.random.random() < 0.65:
            return self.random.choice(_KNOWN[self.split])
        while True:
            word = "".join(self._syllable() for _ in range(self.random.choice((1, 2, 2, 3))))
            if 2 < len(word) < 10 and _free(word) and split_of_word(word) == self.split:
                return word

    def _compound(self) -> str:
        while True:
            other = self.random.choice(_ALL) if self.random.random() < 0.5 else self._syllable()
            word = "".join(self.random.sample([self.random.choice(_ALL), other], 2))
            if len(word) < 14 and _free(word) and split_of_word(word) == self.split:
                return word

    def variable(self) -> str:
        """A name for a variable or a parameter: mostly one word, which may be short."""
        return self._fresh((0.85, 0.15))

    def function(self) -> str:
        """A name for a function or a module."""
        return self._fresh((0.3, 0.6, 0.1))

    def _fresh(self, weights: tuple[float, ...]) -> str:
        while True:
            count = self.random.choices(range(1, len(weights) + 1), weights)[0]
            name = "_".join(self.word() for _ in range(count))
            if name not in self.used and _free(name):
                self.used.add(name)
                return name

    def _syllable(self) -> str:
        pick = self.random.choice
        ends = [""] * _OPEN + _LISTS["codas"]
        return pick(_LISTS["onsets"]) + pick(_LISTS["vowels"]) + pick(ends)
