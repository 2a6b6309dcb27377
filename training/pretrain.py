"""Pretrains the student: `python -P -m training.pretrain folder` makes one in `folder`.

It begins with heads that copy, then learns to write spoilt files as they should be, then to do so
through tools in whole episodes, in the end in hard ones. Killed at any moment and started again, it
goes on from its last checkpoint with the same data in the same order. The student is the mean of
what it was at three late steps. Takes about three and a half hours on two cores.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from distillation.programs.play import Series, shard
from training import bpe, student
from training.corpus import FAMILY, Corpus, tokenizer_texts
from training.learner import Training
from training.pretraining import Pretraining
from training.tokens import ChatTokenizer

TEMPLATE = "pretrained"
TEMPERATURE = 0.4
"""At which it is best used: where its tests still fail, another try must not be the same."""
PLAIN, HARD = Series(FAMILY, "train"), Series(FAMILY, "train", hard=True)
_JOINED = 320
"""Words that have a token with the character in front of them, too."""


def main() -> None:
    """Pretrain from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the run: episodes, checkpoints, the student")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    run(given.folder, Pretraining(), given.threads)


def run(folder: Path, numbers: Pretraining, threads: int = 1) -> None:
    """Go on with the run in `folder`, or begin it; the student is `folder/student` in the end.

    The episodes are played first: about a minute for 200.
    """
    import torch

    torch.set_num_threads(threads)
    for series, count in ((PLAIN, numbers.shards), (HARD, numbers.hard)):
        for number in range(count):
            asyncio.run(shard(folder / "episodes", series, number, numbers.played))
    chat = tokenizer(folder, numbers)
    plain, hard = shards(folder, PLAIN, numbers.shards), shards(folder, HARD, numbers.hard)
    corpus = Corpus(chat, plain, hard, numbers.seed)
    training = Training(numbers, chat, folder / "checkpoint.pt")
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        for news in training.go(corpus):
            log.write(json.dumps(news) + "\n")
            log.flush()
            sys.stdout.write(f"{news}\n")
            sys.stdout.flush()
    export(training, chat, folder / "student")


def shards(folder: Path, series: Series, count: int) -> list[Path]:
    """The files of the episodes."""
    return [series.path(folder / "episodes", number) for number in range(count)]


def tokenizer(folder: Path, numbers: Pretraining) -> ChatTokenizer:
    """The tokenizer of the run, trained where there is none yet."""
    path = folder / "tokenizer.json"
    template = student.template(TEMPLATE)
    if not path.exists():
        texts = tokenizer_texts(shards(folder, PLAIN, 2), template)
        part = path.with_suffix(".part")
        bpe.train_for_copying(numbers.shape.vocabulary, texts, _JOINED).save(str(part))
        part.rename(path)
    return ChatTokenizer.of(path.read_text(encoding="utf-8"), template, None, "<|im_end|>")


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
    student.write(folder, shape, chat.tokenizer, chat.template, weights, TEMPERATURE)


if __name__ == "__main__":
    main()
