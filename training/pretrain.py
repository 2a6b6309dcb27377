"""Pretrains the student: `python -P -m training.pretrain folder` makes one in `folder`.

It begins with heads that copy, then learns to find and repair bugs in single files, then to do so
through tools in whole episodes. Killed at any moment and started again, it goes on from its last
checkpoint with the same data in the same order. Runs on one or two cores in two to three hours.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillation.programs.play import shard
from training import attend, bpe, induction, student
from training.corpus import FAMILY, Corpus, Row, tokenizer_texts
from training.student import Shape
from training.tokens import ChatTokenizer

if TYPE_CHECKING:
    import torch

TEMPLATE = "pretrained"
SHAPE = Shape(
    vocabulary=2048,
    hidden=256,
    feed_forward=768,
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
    drills: int = 0
    episodes: int = 0
    chats: int = 0
    pages: int = 0


@dataclass(frozen=True)
class Pretraining:
    """The numbers of a run. Two equal ones on the same episodes give the same student."""

    phases: tuple[Phase, ...] = (
        Phase(steps=600, copies=2, drills=20),
        Phase(steps=450, copies=1, drills=6, episodes=6, chats=1, pages=1),
    )
    matrices: float = 0.007
    """Learning rate of Muon, which trains the matrices of the blocks."""
    others: float = 3e-3
    """Learning rate of AdamW, which trains embeddings, norms and biases."""
    warmup: int = 30
    """Steps."""
    decay: float = 0.5
    """Share of the steps at the end in which the learning rates fall to nearly nothing."""
    every: int = 100
    """Steps between checkpoints."""
    shards: int = 10
    """Of episodes."""
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
        left = (self.steps - step) / (self.decay * self.steps)
        return min((step + 1) / self.warmup, 1.0, max(left, 0.01))

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
            row for kind in KINDS for row in corpus.rows(kind, done[kind], getattr(phase, kind))
        ]


_TOGETHER = 4096
"""Tokens that are computed at a time, padding included."""
_JOINED = 320
"""Words that have a token with the character in front of them, too."""
KINDS = ("copies", "drills", "episodes", "chats", "pages")


def main() -> None:
    """Pretrain from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the run: episodes, checkpoints, the student")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    run(given.folder, Pretraining(), given.threads)


def run(folder: Path, numbers: Pretraining, threads: int = 1) -> None:
    """Go on with the run in `folder`, or begin it; the student is `folder/student` in the end.

    The episodes are played first: about a minute for 200.
    """
    import torch

    torch.set_num_threads(threads)
    for number in range(numbers.shards):
        asyncio.run(shard(folder / "episodes", FAMILY, "train", number, numbers.played))
    chat = tokenizer(folder, numbers)
    corpus = Corpus(chat, shards(folder, numbers.shards), numbers.seed)
    training = Training(numbers, chat, folder / "checkpoint.pt")
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        for news in training.go(corpus):
            log.write(json.dumps(news) + "\n")
            log.flush()
            sys.stdout.write(f"{news}\n")
            sys.stdout.flush()
    export(training, chat, folder / "student")


def shards(folder: Path, count: int) -> list[Path]:
    """The files of the episodes."""
    return [folder / f"episodes/{FAMILY}-train-{number:04}.jsonl.gz" for number in range(count)]


def tokenizer(folder: Path, numbers: Pretraining) -> ChatTokenizer:
    """The tokenizer of the run, trained where there is none yet."""
    path = folder / "tokenizer.json"
    template = student.template(TEMPLATE)
    if not path.exists():
        texts = tokenizer_texts(shards(folder, 2), template)
        part = path.with_suffix(".part")
        bpe.train_for_copying(numbers.shape.vocabulary, texts, _JOINED).save(str(part))
        part.rename(path)
    return ChatTokenizer.of(path.read_text(encoding="utf-8"), template, None, "<|im_end|>")


class Training:
    """A model, its optimisers and how far they are."""

    def __init__(self, numbers: Pretraining, chat: ChatTokenizer, checkpoint: Path) -> None:
        """Begin, or go on from `checkpoint` if it is there."""
        import torch

        self.numbers = numbers
        self.model = untrained(numbers, chat)
        self.optimisers = _optimisers(self.model, numbers)
        self.step = 0
        self._checkpoint = checkpoint
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            self.step = state["step"]

    def go(self, corpus: Corpus) -> Iterator[dict[str, Any]]:
        """Train to the end; what is yielded now and then tells how it goes."""
        began, tokens, losses = time.monotonic(), 0, list[float]()
        while self.step < self.numbers.steps:
            rows = self.numbers.rows(corpus, self.step)
            losses.append(self.learn(rows))
            tokens += sum(len(row.ids) for row in rows)
            self.step += 1
            if self.step % 20 == 0 or self.step == self.numbers.steps:
                speed = tokens / (time.monotonic() - began)
                yield {
                    "step": self.step,
                    "of": self.numbers.steps,
                    "loss": round(sum(losses) / len(losses), 4),
                    "tokens_per_second": round(speed),
                }
                began, tokens, losses = time.monotonic(), 0, []
            if self.step % self.numbers.every == 0 or self.step == self.numbers.steps:
                self.save()
                exactly = exact(self.model, corpus.rows("unseen", 0, self.numbers.probed))
                yield {"step": self.step, "exact": round(exactly, 3)}

    def learn(self, rows: Sequence[Row]) -> float:
        """One optimiser step; the loss of it."""
        total = sum(weight for row in rows for weight in row.weights[1:])
        loss = 0.0
        for batch in batches(rows, _TOGETHER):
            part = weighted_loss(self.model, batch) / total
            part.backward()
            loss += part.item()
        factor = self.numbers.factor(self.step)
        rates = (self.numbers.matrices, self.numbers.others)
        for optimiser, rate in zip(self.optimisers, rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad()
        return loss

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        import torch

        part = self._checkpoint.with_suffix(".part")
        state = {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "numbers": json.dumps(asdict(self.numbers)),
        }
        torch.save(state, part)
        part.rename(self._checkpoint)


def untrained(numbers: Pretraining, chat: ChatTokenizer) -> Any:  # noqa: ANN401 - transformers'
    """The model before its first step, in single precision."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    attend.register()
    torch.manual_seed(numbers.seed)
    settings = student.config(numbers.shape, chat.tokenizer) | {"dtype": "float32"}
    model: Any = Qwen2ForCausalLM(Qwen2Config(**settings))
    model.set_attn_implementation(attend.NAME)
    induction.build(model)
    return model


def _optimisers(model: Any, numbers: Pretraining) -> list[Any]:  # noqa: ANN401 - torch's
    import torch

    matrices, others = list[Any](), list[Any]()
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "layers" in name else others).append(weight)
    return [
        torch.optim.Muon(matrices, lr=numbers.matrices, weight_decay=0.01),
        torch.optim.AdamW(others, lr=numbers.others, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def batches(rows: Sequence[Row], together: int) -> Iterator[list[Row]]:
    """Rows of about one length, as many as fit into `together` tokens."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        # In the order of their lengths the last row is the longest.
        if batch and (len(batch) + 1) * len(row.ids) > together:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def weighted_loss(model: Any, rows: Sequence[Row]) -> "torch.Tensor":  # noqa: ANN401
    """The sum over all tokens of weight times cross entropy."""
    import torch

    ids, weights = padded(rows)
    with torch.autocast(ids.device.type, torch.bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        counted = weights[:, 1:] > 0
        logits = model.lm_head(hidden[counted])
    losses = torch.nn.functional.cross_entropy(
        logits.float(), ids[:, 1:][counted], reduction="none"
    )
    return (losses * weights[:, 1:][counted]).sum()


def exact(model: Any, rows: Sequence[Row]) -> float:  # noqa: ANN401 - transformers'
    """The share of rows in which each trained token is the likeliest, the right ones before it."""
    import torch

    right = 0
    for batch in batches(rows, _TOGETHER):
        ids, weights = padded(batch)
        with torch.no_grad(), torch.autocast(ids.device.type, torch.bfloat16):
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
            trained = weights[:, 1:] == 1.0
            wrong = model.lm_head(hidden[trained]).argmax(-1) != ids[:, 1:][trained]
        missed: list[int] = trained.nonzero()[:, 0][wrong].tolist()
        right += len(batch) - len(set(missed))
    return right / len(rows)


def padded(rows: Sequence[Row]) -> "tuple[torch.Tensor, torch.Tensor]":
    """Ids and weights, padded on the right with what does not count."""
    import torch

    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    weights = torch.zeros((len(rows), longest))
    for n, row in enumerate(rows):
        ids[n, : len(row.ids)] = torch.tensor(row.ids)
        weights[n, : len(row.ids)] = torch.tensor(row.weights)
    return ids, weights


def export(training: Training, chat: ChatTokenizer, folder: Path) -> None:
    """Write the student: safetensors and GGUF in half precision, tokenizer, settings."""
    import torch

    state = training.model.state_dict()
    weights = {
        name: tensor.to(torch.float16).numpy()
        for name, tensor in state.items()
        if name != "lm_head.weight"  # The embedding, once more.
    }
    shape = training.numbers.shape
    student.write(folder, shape, chat.tokenizer, chat.template, weights)


if __name__ == "__main__":
    main()
