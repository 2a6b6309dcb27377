"""QLoRA in a process of its own: `python -P -m training.lora job.json`.

The job names the base (a Hugging Face folder), the encoded rows, the recipe and the folder that the
adapter is to appear in. Killed at any moment and started again, it goes on from its last whole
checkpoint. What is kept is the adapter of the checkpoint with the lowest evaluation loss.
"""

import json
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from training import encode
from training.recipe import Recipe
from training.stage import attached, say

IGNORED = -100
"""The label that torch's cross entropy leaves out."""
TOGETHER = {"cuda": 8192, "cpu": 1024}
"""Tokens that are computed at a time, padding included, unless one row is longer. What does not fit
into a processor's cache takes twice as long a token, and half of a batch of episodes is padding."""
_WHOLE = (
    *("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt"),
    *("rng_state.pth", "trainer_state.json", "whole"),
)
"""Files of a checkpoint that can be gone on from; the last is ours and written last."""


@dataclass(frozen=True)
class Job:
    """What to train."""

    base: Path
    rows: Path
    out: Path
    recipe: Recipe

    @staticmethod
    def of(record: dict[str, Any]) -> "Job":
        """From the job file."""
        recipe = record["recipe"] | {"targets": tuple(record["recipe"]["targets"])}
        paths = (Path(record[name]) for name in ("base", "rows", "out"))
        return Job(*paths, recipe=Recipe(**recipe))


def main() -> None:
    """Train, and write the adapter."""
    with attached() as record:
        job = Job.of(record)
        train(job)


def train(job: Job) -> None:
    """Train in this process."""
    import torch
    from transformers import PrinterCallback, Trainer, set_seed

    set_seed(job.recipe.seed)
    cuda = torch.cuda.is_available()
    rows = [labelled(job.rows / name) for name in ("train.npz", "eval.npz")]
    checkpoints = job.out.with_name(job.out.name + ".checkpoints")
    arguments = _arguments(job.recipe, [len(row["input_ids"]) for row in rows[0]], checkpoints)
    trainer: Any = Trainer(
        model=adapted(job, cuda),
        args=arguments,
        train_dataset=rows[0],
        eval_dataset=rows[1],
        data_collator=collate,
    )
    trainer.remove_callback(PrinterCallback)
    tokens = sum(len(row["input_ids"]) for row in rows[0])
    trainer.add_callback(_teller(arguments.max_steps, tokens))
    last = _last_checkpoint(checkpoints)
    first = None if last else trainer.evaluate()["eval_loss"]
    if first is not None:
        say(step=0, of=arguments.max_steps, eval_loss=first)
        checkpoints.mkdir(parents=True, exist_ok=True)
        (checkpoints / "before.json").write_text(json.dumps(first), encoding="utf-8")
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    _keep(trainer, job, json.loads((checkpoints / "before.json").read_text(encoding="utf-8")))
    shutil.rmtree(checkpoints)


def adapted(job: Job, cuda: bool) -> Any:  # noqa: ANN401 - peft's
    """The base, frozen and in 4 bits if the recipe says so, with a fresh adapter."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    kind = torch.bfloat16 if cuda else torch.float32
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=kind,
    )
    model: Any = AutoModelForCausalLM.from_pretrained(
        job.base,
        dtype=kind,
        quantization_config=nf4 if job.recipe.nf4 else None,
        device_map={"": 0 if cuda else "cpu"},
    )
    model.config.use_cache = False
    if job.recipe.nf4:
        # Recomputing activations pays only where memory is short.
        big = model.num_parameters() > 200_000_000
        prepare = cast("Any", peft.prepare_model_for_kbit_training)
        model = prepare(model, use_gradient_checkpointing=big)
        _keep_layout(model)
    adapter = peft.LoraConfig(
        r=job.recipe.rank,
        lora_alpha=job.recipe.alpha,
        lora_dropout=job.recipe.dropout,
        target_modules=list(job.recipe.targets),
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, adapter)


def _keep_layout(model: Any) -> None:  # noqa: ANN401 - transformers'
    """Keep bitsandbytes from repacking 4-bit weights while it evaluates.

    On processors with AVX512-BF16 its first evaluation puts them into a layout that has no
    backward pass: training would go on without gradients, or end in an error.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _arguments(recipe: Recipe, lengths: list[int], folder: Path) -> Any:  # noqa: ANN401
    import torch
    from transformers import TrainingArguments

    cuda = torch.cuda.is_available()
    steps = recipe.steps or math.ceil(len(lengths) / recipe.batch * recipe.epochs)
    every = max(1, steps // recipe.evaluations)
    room = TOGETHER["cuda" if cuda else "cpu"]
    together = rows_together(recipe.batch, max(lengths), room)
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=together,
        per_device_eval_batch_size=together,
        gradient_accumulation_steps=recipe.batch // together,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(recipe.warmup * steps),
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        logging_strategy="steps",
        logging_steps=max(1, steps // 100),
        seed=recipe.seed,
        data_seed=recipe.seed,
        use_cpu=not cuda,
        bf16=cuda,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
    )


def rows_together(batch: int, longest: int, room: int) -> int:
    """How many rows are computed at a time: a divisor of `batch`, within `room` tokens.

    Long rows gain nothing from company, and their padding and logits would fill the memory.
    """
    fitting = max(1, room // longest)
    return max(n for n in range(1, batch + 1) if batch % n == 0 and n <= fitting)


def labelled(path: Path) -> list[dict[str, Any]]:
    """Ids and labels; a label is left out where the token is not trained."""
    import numpy

    return [
        {"input_ids": ids, "labels": numpy.where(mask, ids, IGNORED)}
        for ids, mask in encode.load(path)
    ]


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch, padded on the right, where no earlier token can see it; it has no labels either.

    So no attention mask is needed, and without one attention is a third to a half faster.
    """
    import torch

    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORED, dtype=torch.long)
    for i, row in enumerate(rows):
        length = len(row["input_ids"])
        ids[i, :length] = torch.as_tensor(row["input_ids"])
        labels[i, :length] = torch.as_tensor(row["labels"])
    return {"input_ids": ids, "labels": labels}


def _teller(steps: int, tokens: int) -> Any:  # noqa: ANN401 - transformers'
    """A callback that tells of each log line; `tokens` is the length of one epoch."""
    from transformers import TrainerCallback

    class Teller(TrainerCallback):
        """Marks whole checkpoints, too."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
            self.began, self.step, self.epoch = time.monotonic(), state.global_step, state.epoch

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
            if state.global_step >= state.max_steps:
                control.should_evaluate = control.should_save = True

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
            logs = {k: v for k, v in kwargs["logs"].items() if k in ("loss", "eval_loss")}
            done = state.global_step - getattr(self, "step", state.global_step)
            if logs and done:
                seconds = time.monotonic() - self.began
                speed = (state.epoch - (self.epoch or 0)) * tokens / seconds
                eta = (steps - state.global_step) * seconds / done
                news = {"step": state.global_step, "of": steps, "eta": eta}
                say(**news, **logs, tokens_per_second=speed)

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / "whole").touch()

    return Teller()


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; others are removed."""
    found: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if all((path / name).is_file() for name in _WHOLE):
            found[int(path.name.removeprefix("checkpoint-"))] = path
        else:
            shutil.rmtree(path)
    return found[max(found)] if found else None


def _keep(trainer: Any, job: Job, before: float) -> None:  # noqa: ANN401 - transformers'
    """Write the best adapter and what is known of the run; the folder appears whole."""
    part = job.out.with_name(job.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    trainer.model.save_pretrained(part)
    curve = [
        {name: entry[name] for name in ("step", "loss", "eval_loss") if name in entry}
        for entry in trainer.state.log_history
        if "loss" in entry or "eval_loss" in entry
    ]
    manifest = {
        "steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step,
        "eval_loss_before": before,
        "eval_loss": trainer.state.best_metric,
        "curve": curve,
    }
    (part / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    shutil.rmtree(job.out, ignore_errors=True)
    part.rename(job.out)


if __name__ == "__main__":
    main()
