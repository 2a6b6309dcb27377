"""What the student is pretrained on, as rows of token ids with a weight for each.

Every row is made from its kind and its number alone, so that a run's data is the same each time,
and a run that goes on needs to know no more than its step.
"""

import pydoc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from random import Random

from agent.template import render
from distillation.example import Example
from distillation.programs.chats import chat
from distillation.programs.drills import Kind, drill
from distillation.programs.play import read
from distillation.programs.real import functions, restored
from training import bpe
from training.tokens import ChatTokenizer, encode

_COUNTED = 0.25
"""Share of these tokens that count: logits of all of them would cost a fifth of the time."""
_COPY = 128
_DRILLS = ("spoilt", "drills", "slips", "swaps")
_SHARES = (0.1, 0.2, 0.35, 0.5)
"""Of the places in a spoilt drill."""
_PAGE = 384
_REAL = 6_000_000
"""Characters of the standard library's sources from which real functions are taken."""
_BRIEF = 70
"""Tokens of a turn that is: all but those that write a file."""
_DOCUMENTED = ("json", "random", "statistics", "string", "textwrap", "inspect")
_SPECIAL = len(bpe.SPECIAL)
FAMILY = "functions"
"""The family of programs that the student is pretrained on; it sees no other."""


@dataclass(frozen=True)
class Row:
    """Token ids, how much it counts to have foretold each, and which the student writes."""

    ids: list[int]
    weights: list[float]
    written: list[bool]


@dataclass(frozen=True)
class Manner:
    """How rows are made: see `pretraining.Phase`."""

    compounds: float = 0.0
    brief: float = 1.0


@dataclass(frozen=True)
class Corpus:
    """All rows that there are."""

    chat: ChatTokenizer
    shards: Sequence[Path]
    """Of played episodes; see `distillation.programs.play`."""
    hard: Sequence[Path] = ()
    """Of hard ones."""
    seed: int = 0
    family: str = FAMILY
    read: float = 0.2
    """What a token counts that is read, where it counts at all; one that is written counts 1. Names
    are random: reading is hard to foretell and teaches little."""
    _order: dict[tuple[str, int], list[int]] = field(
        default_factory=dict[tuple[str, int], list[int]]
    )

    def rows(self, kind: str, start: int, count: int, manner: Manner = Manner()) -> list[Row]:
        """Rows of a kind by number: one of `pretraining.KINDS`, or drills that are `unseen`."""
        numbers = range(start, start + count)
        if kind in _DRILLS:
            return [self._drill(kind, number, manner.compounds) for number in numbers]
        if kind in ("episodes", "hard"):
            return [self._episode(kind, number, manner.brief) for number in numbers]
        make = getattr(self, f"_{kind}")
        return [make(number) for number in numbers]

    def _drill(self, kind: str, number: int, compounds: float) -> Row:
        """A drill: in which many places are wrong, or one, or something copied wrongly as well; or
        two things stand in each other's place, which is rare and takes two changes at once."""
        share = Random(f"spoilt {self.seed} {number}").choice(_SHARES) if kind == "spoilt" else 0.0
        slips = 1 + number % 2 if kind == "slips" else 0
        only = "swapped arguments" if kind == "swaps" else ""
        made = drill(self.family, "train", number, Kind(share, slips, compounds, only))
        return self.row(made, f"{kind} {number}" if kind != "drills" else f"drill {number}")

    def _copies(self, number: int) -> Row:
        """A random sequence that repeats itself; what is counted is the repetition."""
        random = Random(f"copy {self.seed} {number}")
        period = random.randint(8, 48)
        size = self.chat.tokenizer.get_vocab_size()
        ids = [random.randrange(_SPECIAL, size) for _ in range(period)]
        whole = (ids * (_COPY // period + 1))[:_COPY]
        written = [place >= period for place in range(_COPY)]
        return Row(whole, [float(flag) for flag in written], written)

    def _unseen(self, number: int) -> Row:
        return self.row(drill(self.family, "heldout", number), "unseen")

    def _real(self, number: int) -> Row:
        return self.row(restored(self._functions, number), f"real {number}")

    def _chats(self, number: int) -> Row:
        return self.row(chat(number), f"chat {number}")

    def _episode(self, kind: str, number: int, brief: float) -> Row:
        played = self._played if kind == "episodes" else self._hard
        epoch, place = divmod(number, len(played))
        if (kind, epoch) not in self._order:
            order = list(range(len(played)))
            Random(f"epoch {self.seed} {epoch}").shuffle(order)
            self._order[kind, epoch] = order
        row = self.row(played[self._order[kind, epoch][place]], f"episode {number}")
        return replace(row, weights=_emphasised(row, brief)) if brief != 1.0 else row

    def _pages(self, number: int) -> Row:
        """A piece of the standard library's sources and docs."""
        ids = self._library
        at = Random(f"page {self.seed} {number}").randrange(len(ids) - _PAGE)
        return Row(ids[at : at + _PAGE], [self.read] * _PAGE, [False] * _PAGE)

    def row(self, example: Example, name: str) -> Row:
        """Trained tokens count whole, read ones sometimes and less, mistakes not at all."""
        encoded = encode(example, self.chat)
        mistakes = self._mistakes(example) or [False] * len(encoded.ids)
        random = Random(f"weights {self.seed} {name}")
        weights = [
            1.0 if trained else self.read if not wrong and random.random() < _COUNTED else 0.0
            for trained, wrong in zip(encoded.mask, mistakes, strict=True)
        ]
        return Row(encoded.ids, weights, encoded.mask)

    def _mistakes(self, example: Example) -> list[bool]:
        """Marks the text of assistant turns that are not to be imitated; empty without any."""
        pairs = zip(example.messages, example.trained, strict=True)
        wrong = [message["role"] == "assistant" and not trained for message, trained in pairs]
        if not any(wrong):
            return []
        other = Example("", "", example.messages, example.tools, wrong)
        return encode(other, self.chat).mask

    @cached_property
    def _played(self) -> list[Example]:
        return [example for path in self.shards for example in read(path)]

    @cached_property
    def _hard(self) -> list[Example]:
        return [example for path in self.hard for example in read(path)]

    @cached_property
    def _functions(self) -> list[str]:
        return functions(bpe.sources(_REAL))

    @cached_property
    def _library(self) -> list[int]:
        return [id for text in library() for id in self.chat.split(text)[0]]


def _emphasised(row: Row, brief: float) -> list[float]:
    """The weights, those of brief turns that the student writes multiplied."""
    weights: list[float] = []
    for written, group in groupby(zip(row.weights, row.written, strict=True), lambda p: p[1]):
        turn = [weight for weight, _ in group]
        factor = brief if written and len(turn) < _BRIEF else 1.0
        weights += [weight * factor for weight in turn]
    return weights


@lru_cache(maxsize=1)
def library() -> tuple[str, ...]:
    """Sources of the standard library, and its documentation as `help()` shows it."""
    docs = [pydoc.plain(pydoc.render_doc(name)) for name in _DOCUMENTED]
    return (*bpe.sources(1_500_000), *docs)


def tokenizer_texts(shards: Sequence[Path], chat_template: str) -> list[str]:
    """What the tokenizer is trained on: episodes, drills, chats and the standard library."""
    examples = [example for path in shards for example in read(path)]
    examples += [drill(FAMILY, "train", number) for number in range(2000)]
    examples += [chat(number) for number in range(200)]
    texts = [
        render(chat_template, e.messages, e.tools, add_generation_prompt=False) for e in examples
    ]
    return [*texts, *library()]
