"""Learning from pairs (DPO) in a process of its own: `python -P -m training.preference job.json`.

Source: R. Rafailov et al., "Direct Preference Optimization", 2023. The base is the reference: its
log-probabilities are those of the same model with the adapter switched off. To the loss the
likelihood of the better answer is added (as in Pang et al., "Iterative Reasoning Preference
Optimization", 2024), without which both answers of near pairs become less likely. Small and simple:
no checkpoints, so a run that was killed begins anew; of the recipe it takes rank, alpha, dropout,
targets, nf4, learning rate, epochs, batch and seed.
"""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.refused import Refused
from training import encode
from training.lora import Job, adapted, collate
from training.stage import attached, say

if TYPE_CHECKING:
    import torch

BETA = 0.1
"""How far the adapter may lead away from the base: the smaller, the farther."""
LIKELIHOOD = 1.0
"""What the better answer's own likelihood counts."""


@dataclass(frozen=True)
class Answers:
    """Encoded pairs on disk: two files of rows, of which each two of a number belong together."""

    chosen: Path
    rejected: Path


def main() -> None:
    """Train, and write the adapter."""
    with attached() as record:
        answers = Answers(Path(record["chosen"]), Path(record["rejected"]))
        train(Job.of(record), answers)


def train(job: Job, answers: Answers) -> None:
    """Train in this process; the adapter appears whole in `job.out`."""
    import torch

    torch.manual_seed(job.recipe.seed)
    rows = list(zip(_rows(answers.chosen), _rows(answers.rejected), strict=True))
    model = adapted(job, torch.cuda.is_available())
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad],
        lr=job.recipe.learning_rate,
        weight_decay=0.0,
    )
    order = [n for epoch in range(round(job.recipe.epochs)) for n in _shuffled(job, rows, epoch)]
    steps = len(order) // job.recipe.batch
    if not steps:
        raise Refused(
            f"{len(rows)} pairs make no step of {job.recipe.batch}: collect more, or set a smaller "
            "recipe.batch."
        )
    curve: list[dict[str, float]] = []
    began = time.monotonic()
    for step in range(steps):
        chosen = [rows[n] for n in order[step * job.recipe.batch : (step + 1) * job.recipe.batch]]
        loss = sum(_learn(model, pair, len(chosen)) for pair in chosen)
        for group in optimizer.param_groups:
            group["lr"] = job.recipe.learning_rate * (1 - step / steps)
        optimizer.step()
        optimizer.zero_grad()
        curve.append({"step": step + 1, "loss": loss})
        eta = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
        say(step=step + 1, of=steps, loss=loss, eta=eta)
    _keep(model, job, curve)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [{"input_ids": ids, "labels": mask} for ids, mask in encode.load(path)]


def _shuffled(job: Job, rows: list[Any], epoch: int) -> list[int]:
    order = list(range(len(rows)))
    Random(f"{job.recipe.seed} {epoch}").shuffle(order)  # noqa: S311
    return order


def _learn(model: Any, pair: tuple[dict[str, Any], dict[str, Any]], of: int) -> float:  # noqa: ANN401
    """Add a pair's gradients; its loss."""
    import torch

    with torch.no_grad(), model.disable_adapter():
        before = likelihoods(model, pair)
    now = likelihoods(model, pair)
    loss = preferred(now, before) - LIKELIHOOD * now[0] / int(pair[0]["labels"].sum())
    (loss / of).backward()
    return float(loss.item()) / of


def preferred(now: "torch.Tensor", before: "torch.Tensor", beta: float = BETA) -> "torch.Tensor":
    """DPO's loss of one pair: log-likelihoods of the better and the worse answer, shape (2,)."""
    import torch

    gained = now - before
    return -torch.nn.functional.logsigmoid(beta * (gained[0] - gained[1]))


def likelihoods(model: Any, pair: tuple[dict[str, Any], dict[str, Any]]) -> "torch.Tensor":  # noqa: ANN401
    """Log-likelihood of what is trained in each of the two rows, shape (2,)."""
    import torch

    batch = {name: rows.to(model.device) for name, rows in collate(list(pair)).items()}
    trained = batch["labels"][:, 1:] == 1
    logits = model(input_ids=batch["input_ids"]).logits[:, :-1].float()
    each = logits.log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]
    return torch.where(trained, each, 0.0).sum(1)


def _keep(model: Any, job: Job, curve: list[dict[str, float]]) -> None:  # noqa: ANN401 - peft's
    part = job.out.with_name(job.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part)
    manifest = {"steps": len(curve), "curve": curve}
    (part / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    shutil.rmtree(job.out, ignore_errors=True)
    part.rename(job.out)


if __name__ == "__main__":
    main()
