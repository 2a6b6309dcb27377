"""A model in training: its optimisers, its steps, and checkpoints to go on from."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox.refused import Refused
from training import attend, induction, student
from training.corpus import Corpus, Row
from training.loss import TOGETHER, batches, exact, weighted_loss
from training.muon import Muon
from training.pretraining import Pretraining
from training.tokens import ChatTokenizer


class Training:
    """A model, its optimisers and how far they are."""

    def __init__(self, numbers: Pretraining, chat: ChatTokenizer, checkpoint: Path) -> None:
        """Begin, or go on from `checkpoint` if it is there.

        Raises:
            Refused: it is of a run with other numbers.
        """
        import torch

        self.numbers = numbers
        self.model = untrained(numbers, chat)
        self.optimisers = _optimisers(self.model, numbers)
        self.step = 0
        self._kept: dict[str, Any] = {}
        """The sum of the weights at the steps that are averaged, of those that are done."""
        self._checkpoint = checkpoint
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            if state["numbers"] != json.dumps(asdict(numbers)):
                raise Refused(f"{checkpoint} is of other numbers: pretrain in another folder.")
            self.model.load_state_dict(state["model"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            self.step, self._kept = state["step"], state["kept"]

    def go(self, corpus: Corpus) -> Iterator[dict[str, Any]]:
        """Train to the end; what is yielded now and then tells how it goes.

        In the end the model is the mean of those that are averaged.
        """
        began, tokens, losses = time.monotonic(), 0, list[float]()
        while self.step < self.numbers.steps:
            rows = self.numbers.rows(corpus, self.step)
            losses.append(self.learn(rows))
            tokens += sum(len(row.ids) for row in rows)
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
                yield {"step": self.step, "exact": self._exact(corpus)}
        if self._kept:
            count = len(self.numbers.averaged)
            self.model.load_state_dict({name: kept / count for name, kept in self._kept.items()})
            yield {"averaged": count, "exact": self._exact(corpus)}

    def _exact(self, corpus: Corpus) -> float:
        return round(exact(self.model, corpus.rows("unseen", 0, self.numbers.probed)), 3)

    def learn(self, rows: Sequence[Row]) -> float:
        """One optimiser step; the loss of it."""
        total = sum(weight for row in rows for weight in row.weights[1:])
        loss = 0.0
        for batch in batches(rows, TOGETHER):
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
        self.step += 1
        if self.step in self.numbers.averaged:
            weights = self.model.state_dict()
            self._kept = {name: self._kept.get(name, 0) + weights[name] for name in weights}
        return loss

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        import torch

        part = self._checkpoint.with_suffix(".part")
        state = {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "kept": self._kept,
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
    settings: dict[str, Any] = student.config(numbers.shape, chat.tokenizer)
    settings["dtype"] = "float32"
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
        Muon(matrices, lr=numbers.matrices),
        torch.optim.AdamW(others, lr=numbers.others, betas=(0.9, 0.95), weight_decay=0.0),
    ]
