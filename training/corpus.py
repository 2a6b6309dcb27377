"""What the student is pretrained on, as rows of token ids with a weight for each.

Every row is made from its kind and its number alone, so that a run's data is the same each time,
and a run that goes on needs to know no more than its step.
"""

import pydoc
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from random import Random

from agent.template import render
from distillation.example import Example
from distillation.programs.chats import chat
from distillation.programs.drills import drill
from distillation.programs.play import read
from training import bpe
from training.tokens import ChatTokenizer, Encoded, encode

_COUNTED = 0.25
"""Share of these tokens that count: logits of all of them would cost a fifth of the time."""
_COPY = 128
_PAGE = 384
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
class Emphasis:
    """What tokens count; one that the student writes counts 1."""

    read: float = 0.5
    """A token that is read and not written, where it counts at all."""
    said: float = 1.0
    """What is said in front of a call: where the student decides what is wrong."""


PLAIN = Emphasis()


@dataclass(frozen=True)
class Corpus:
    """All rows that there are."""

    chat: ChatTokenizer
    shards: Sequence[Path]
    """Of played episodes; see `distillation.programs.play`."""
    seed: int = 0
    family: str = FAMILY
    _order: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def rows(self, kind: str, start: int, count: int, emphasis: Emphasis = Emphasis()) -> list[Row]:
        """Rows of a kind (`copies`, `drills`, `episodes`, `chats`, `pages`, `unseen`) by number."""
        make = getattr(self, f"_{kind}")
        return [make(number, emphasis) for number in range(start, start + count)]

    def _copies(self, number: int, emphasis: Emphasis) -> Row:
        """A random sequence that repeats itself; what is counted is the repetition."""
        random = Random(f"copy {self.seed} {number}")
        period = random.randint(8, 48)
        size = self.chat.tokenizer.get_vocab_size()
        ids = [random.randrange(_SPECIAL, size) for _ in range(period)]
        whole = (ids * (_COPY // period + 1))[:_COPY]
        written = [place >= period for place in range(_COPY)]
        return Row(whole, [float(flag) for flag in written], written)

    def _drills(self, number: int, emphasis: Emphasis) -> Row:
        return self.row(drill(self.family, "train", number), f"drill {number}", emphasis)

    def _unseen(self, number: int, emphasis: Emphasis) -> Row:
        return self.row(drill(self.family, "heldout", number), "unseen", emphasis)

    def _chats(self, number: int, emphasis: Emphasis) -> Row:
        return self.row(chat(number), f"chat {number}", emphasis)

    def _episodes(self, number: int, emphasis: Emphasis) -> Row:
        epoch, place = divmod(number, len(self._played))
        if epoch not in self._order:
            order = list(range(len(self._played)))
            Random(f"epoch {self.seed} {epoch}").shuffle(order)
            self._order[epoch] = order
        played = self._played[self._order[epoch][place]]
        return self.row(played, f"episode {number}", emphasis)

    def _pages(self, number: int, emphasis: Emphasis) -> Row:
        """A piece of the standard library's sources and docs."""
        ids = self._library
        at = Random(f"page {self.seed} {number}").randrange(len(ids) - _PAGE)
        return Row(ids[at : at + _PAGE], [emphasis.read] * _PAGE, [False] * _PAGE)

    def row(self, example: Example, name: str, emphasis: Emphasis) -> Row:
        """Trained tokens count whole, read ones sometimes and less, mistakes not at all."""
        encoded = encode(example, self.chat)
        mistakes = self._mistakes(example) or [False] * len(encoded.ids)
        random = Random(f"weights {self.seed} {name}")
        weights = [
            1.0 if trained else emphasis.read if not wrong and random.random() < _COUNTED else 0.0
            for trained, wrong in zip(encoded.mask, mistakes, strict=True)
        ]
        for place in self._said(encoded):
            weights[place] = emphasis.said
        return Row(encoded.ids, weights, encoded.mask)

    def _said(self, encoded: Encoded) -> list[int]:
        """The places of trained tokens that stand in front of a call, in the same turn."""
        found: list[int] = []
        turn: list[int] | None = []
        call = self._call
        for place, trained in enumerate(encoded.mask):
            if not trained:
                turn = []
            elif turn is not None and encoded.ids[place : place + len(call)] == call:
                found += turn
                turn = None  # Behind the call's opening nothing of the turn is said any more.
            elif turn is not None:
                turn.append(place)
        return found

    @cached_property
    def _call(self) -> list[int]:
        """What a call begins with, up to where its next tokens may be joined to it."""
        return self.chat.split("<tool_call")[0]

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
    def _library(self) -> list[int]:
        return [id for text in library() for id in self.chat.split(text)[0]]


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
