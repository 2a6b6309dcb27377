from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from agent.message import assistant
from distillation.example import Example
from tests.training.material import RECIPE, TOOL, lora_job, make_example
from training import encode
from training.encode import Rows
from training.preference import likelihoods, preferred
from training.stage import News, run_stage
from training.tokens import ChatTokenizer


def answered(seed: int, said: str) -> Example:
    """An example that ends with this answer, the only one that is trained."""
    made = make_example(seed)
    messages = [*made.messages[:-1], assistant(said)]
    flags = [False] * (len(messages) - 1) + [True]
    return Example(made.episode, made.task, messages, [TOOL], flags)


def test_the_loss_is_small_where_the_better_answer_gained() -> None:
    before = torch.tensor([-10.0, -10.0])
    neither = preferred(before, before)
    better = preferred(torch.tensor([-5.0, -15.0]), before)
    worse = preferred(torch.tensor([-15.0, -5.0]), before)
    assert better < neither < worse
    assert torch.isclose(neither, torch.log(torch.tensor(2.0)))


# peft still reads what transformers has given another name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
async def test_after_training_the_better_answers_are_likelier(
    base: Path, rows: Rows, chat: ChatTokenizer, tmp_path: Path
) -> None:
    files: dict[str, list[encode.Encoded]] = {"chosen": [], "rejected": []}
    for seed in range(6):
        for name, said in (("chosen", "It adds now."), ("rejected", "I gave up on it.")):
            files[name].append(encode.encode(answered(seed, said), chat))
    job = lora_job(base, rows, tmp_path / "adapter", replace(RECIPE, epochs=3.0, batch=2))
    for name, encoded in files.items():
        encode.save(tmp_path / f"{name}.npz", encoded)
        job[name] = str(tmp_path / f"{name}.npz")
    news: list[News] = []
    await run_stage("training.preference", job, tmp_path / "job.json", news.append)
    assert [entry["step"] for entry in news] == list(range(1, 10))
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    pair: Any = tuple(
        {"input_ids": files[name][0].ids, "labels": files[name][0].mask} for name in files
    )
    with torch.no_grad():
        before = likelihoods(model, pair)
        now = likelihoods(peft.PeftModel.from_pretrained(model, tmp_path / "adapter"), pair)
    assert now[0] - before[0] > 1.0
    assert (now - before)[0] > (now - before)[1]
