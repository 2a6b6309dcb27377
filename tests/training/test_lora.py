import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, cast

import numpy
import pytest
import torch
from safetensors import numpy as safetensors

from tests.training.material import RECIPE, Trained, lora_job
from training import encode, lora
from training.encode import Rows
from training.recipe import Recipe
from training.stage import News, StageFailed, run_stage
from training.tokens import Encoded


def manifest(adapter: Path) -> dict[str, Any]:
    return json.loads((adapter / "manifest.json").read_text())


def test_the_loss_falls_and_progress_is_told(trained: Trained) -> None:
    losses = [news["loss"] for news in trained.news if "loss" in news]
    assert losses[-1] < losses[0] - 0.3
    evaluated = [news["eval_loss"] for news in trained.news if "eval_loss" in news]
    assert len(evaluated) == 1 + RECIPE.evaluations
    assert evaluated[-1] < evaluated[0] - 0.3
    assert all(news["tokens_per_second"] > 0 for news in trained.news if news["step"])
    found = manifest(trained.adapter)
    assert found["eval_loss"] == pytest.approx(min(evaluated))
    assert found["eval_loss_before"] == pytest.approx(evaluated[0])
    assert [p.name for p in trained.adapter.parent.iterdir()] == ["adapter"]


async def test_killed_in_the_middle_it_goes_on_and_ends_alike(
    base: Path, rows: Rows, trained: Trained, tmp_path: Path
) -> None:
    job = lora_job(base, rows, tmp_path / "adapter")
    checkpoints = tmp_path / "adapter.checkpoints"

    def kill_behind_12(news: News) -> None:
        if news["step"] >= 12:
            own = (tmp_path / "lora.job").as_posix().encode()
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                if own in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)

    with pytest.raises(StageFailed, match="SIGKILL, probably because memory ran out"):
        await run_stage("training.lora", job, tmp_path / "lora.job", kill_behind_12)
    assert (checkpoints / "checkpoint-10/whole").is_file()
    # As if the kill had come while a checkpoint was written, or an old one deleted.
    for name, lost in {"checkpoint-15": "whole", "checkpoint-14": "optimizer.pt"}.items():
        shutil.rmtree(checkpoints / name, ignore_errors=True)
        shutil.copytree(checkpoints / "checkpoint-10", checkpoints / name)
        (checkpoints / name / lost).unlink()
    news: list[News] = []
    await run_stage("training.lora", job, tmp_path / "lora.job", news.append)
    assert news[0]["step"] == 11
    again, straight = manifest(tmp_path / "adapter"), manifest(trained.adapter)
    assert again["eval_loss_before"] == straight["eval_loss_before"]
    assert [entry["step"] for entry in again["curve"]] == [e["step"] for e in straight["curve"]]
    assert again["eval_loss"] == pytest.approx(straight["eval_loss"], abs=1e-4)
    assert not checkpoints.exists()


NOISE = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
"""peft asks transformers for a name that is on its way out."""


@NOISE
async def test_the_best_checkpoint_is_kept_not_the_last(base: Path, tmp_path: Path) -> None:
    """What is trained says nothing about what is measured, so the loss goes up."""
    rows = Rows(tmp_path / "rows", 4, 1, 0, 0, {})
    rows.folder.mkdir()
    other = [id for n in range(700, 725) for id in (300, n)]
    encode.save(rows.folder / "train.npz", [Encoded([300, 301] * 50, [False, True] * 50)] * 4)
    encode.save(rows.folder / "eval.npz", [Encoded(other, [False, True] * 25)])
    recipe = Recipe(steps=12, evaluations=6, rank=8, learning_rate=0.01)
    told: list[News] = []
    job = lora_job(base, rows, tmp_path / "adapter", recipe)
    await run_stage("training.lora", job, tmp_path / "lora.job", told.append)
    evaluated = {news["step"]: news["eval_loss"] for news in told if "eval_loss" in news}
    del evaluated[0]
    best = min(evaluated, key=lambda step: evaluated[step])
    assert best < 12, evaluated
    found = manifest(tmp_path / "adapter")
    assert (found["best_step"], found["eval_loss"]) == (best, pytest.approx(evaluated[best]))
    assert evaluate(base, tmp_path / "adapter", rows) == pytest.approx(evaluated[best], abs=0.05)


def evaluate(base: Path, adapter: Path, rows: Rows) -> float:
    """The loss of what was written to disk, on the evaluation rows."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, str(adapter)).eval()
    losses: list[float] = []
    for ids, mask in encode.load(rows.folder / "eval.npz"):
        labels = torch.tensor(numpy.where(mask, ids, lora.IGNORED).astype("int64"))[None]
        with torch.inference_mode():
            inputs = torch.tensor(ids.astype("int64"))[None]
            losses.append(float(model(inputs, labels=labels).loss))
    return sum(losses) / len(losses)


def test_only_linear_layers_are_adapted(trained: Trained) -> None:
    load = cast("Any", safetensors.load_file)
    names: list[str] = list(load(trained.adapter / "adapter_model.safetensors"))
    assert names
    assert {name.split(".")[-3] for name in names} == set(RECIPE.targets)


@NOISE
def test_the_base_is_held_in_four_bits(base: Path, rows: Rows, tmp_path: Path) -> None:
    job = lora.Job(base, rows.folder, tmp_path, RECIPE)
    layer = lora.adapted(job, cuda=False).get_submodule(
        "base_model.model.model.layers.0.mlp.up_proj"
    )
    quantised = layer.base_layer.weight.quant_state
    assert (quantised.quant_type, quantised.nested) == ("nf4", True)
    whole = lora.Job(base, rows.folder, tmp_path, Recipe(nf4=False))
    layer = lora.adapted(whole, cuda=False).get_submodule(
        "base_model.model.model.layers.0.mlp.up_proj"
    )
    assert layer.base_layer.weight.dtype == torch.float32


def test_padding_changes_nothing(base: Path, rows: Rows, tmp_path: Path) -> None:
    """Rows of unequal length give the same loss together as one by one."""
    from transformers import AutoModelForCausalLM

    encode.save(tmp_path / "a.npz", [Encoded([5, 6, 7], [False, True, True]), Encoded([8], [True])])
    batch = lora.collate(lora.labelled(tmp_path / "a.npz"))
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [8, -100, -100]]
    loaded = lora.labelled(rows.folder / "train.npz")
    loaded = [loaded[0], {name: value[:-40] for name, value in loaded[1].items()}]
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    with torch.inference_mode():
        one_by_one = [model(**lora.collate([row])).logits[0] for row in loaded]
        together = model(**lora.collate(loaded)).logits
    for logits, alone in zip(together, one_by_one, strict=True):
        assert torch.allclose(logits[: len(alone)], alone, atol=1e-5)


def test_rows_are_computed_together_as_far_as_they_are_short() -> None:
    found = [lora.rows_together(6, longest, 8192) for longest in (10, 2000, 3000, 5000, 100_000)]
    assert found == [6, 3, 2, 1, 1]


@NOISE
def test_gradients_after_an_evaluation_are_those_before(base: Path, tmp_path: Path) -> None:
    """bitsandbytes repacks weights on some processors, for good, and then has no gradients."""
    job = lora.Job(base, tmp_path, tmp_path, RECIPE)
    ids = torch.arange(300, 400)[None]
    gradients: list[Any] = []
    for evaluated_before in (False, True):
        torch.manual_seed(0)
        model = lora.adapted(job, cuda=False)
        if evaluated_before:
            model.eval()
            with torch.no_grad():
                model(input_ids=ids, labels=ids)
        model.train()
        model(input_ids=ids, labels=ids).loss.backward()
        weights = {name: w.grad for name, w in model.named_parameters() if w.requires_grad}
        gradients.append(
            weights["base_model.model.model.layers.0.mlp.up_proj.lora_B.default.weight"]
        )
    assert gradients[0].abs().max() > 0
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-4)
