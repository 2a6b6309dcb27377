import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from distillation.programs.chats import chat as answered
from distillation.programs.drills import drill
from distillation.programs.play import Series, shard
from sandbox.refused import Refused
from training import attend, bpe, student
from training.corpus import Corpus, Row
from training.learner import Training, untrained
from training.loss import batches, exact, padded, weighted_loss
from training.pretrain import TEMPLATE, run
from training.pretraining import KINDS, Phase, Pretraining
from training.student import Shape
from training.tokens import ChatTokenizer

SHAPE = Shape(
    vocabulary=700,
    hidden=256,
    feed_forward=256,
    layers=2,
    heads=4,
    key_value_heads=4,
    context=2048,
    theta=1e7,
)
SMALL = Pretraining(
    phases=(
        Phase(steps=2, copies=2),
        Phase(2, spoilt=1, drills=1, slips=1, swaps=1, episodes=1, chats=1, compounds=0.5),
    ),
    averaged=(1, 2, 4),
    every=2,
    shards=1,
    hard=0,
    played=6,
    probed=2,
    shape=SHAPE,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than so small a model gains."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def chat() -> ChatTokenizer:
    template = student.template(TEMPLATE)
    examples = [drill("functions", "train", seed) for seed in range(60)]
    texts = [str(example.messages) for example in examples]
    made = bpe.train_for_copying(SHAPE.vocabulary, texts * 4, joined=60)
    return ChatTokenizer.of(made.to_str(), template, None, "<|im_end|>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, chat: ChatTokenizer) -> Path:
    """A run's folder with a tokenizer and a few episodes."""
    folder = tmp_path_factory.mktemp("pretrain")
    asyncio.run(shard(folder / "episodes", Series("functions", "train"), 0, rows=6))
    chat.tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def corpus(folder: Path, chat: ChatTokenizer) -> Corpus:
    played = sorted((folder / "episodes").glob("functions-train-0*"))
    return Corpus(chat, played, played)


def test_a_name_is_the_same_tokens_whatever_stands_before_it(chat: ChatTokenizer) -> None:
    for name in ("kraivon", "stoolbex", "Zumdra"):
        alone = chat.split(name)[0]
        for before in (" ", "(", "_", ".", "\n", "`", "/"):
            ids = chat.split(before + name)[0]
            assert ids[-len(alone) :] == alone
            assert chat.tokenizer.decode(ids) == before + name


def test_rows_depend_on_their_number_alone(corpus: Corpus, chat: ChatTokenizer) -> None:
    again = Corpus(chat, corpus.shards, corpus.hard)
    for kind in KINDS[:-1]:
        assert corpus.rows(kind, 0, 4)[3] == again.rows(kind, 3, 1)[0]
        assert corpus.rows(kind, 0, 1) != corpus.rows(kind, 1, 1)


def test_what_is_trained_is_what_the_student_writes(corpus: Corpus, chat: ChatTokenizer) -> None:
    for row in corpus.rows("drills", 0, 10):
        text = written(row, chat)
        assert text.endswith("</tool_call><|im_end|>")
        assert text.count("<|im_end|>") == 1
        assert "write_file" in text
        assert "read_file" not in text
    for row in corpus.rows("chats", 0, 10):
        assert written(row, chat).endswith("<|im_end|>")


def written(row: Row, chat: ChatTokenizer) -> str:
    ids = [id for id, flag in zip(row.ids, row.written, strict=True) if flag]
    return chat.tokenizer.decode(ids, skip_special_tokens=False)


def test_what_is_read_counts_less(corpus: Corpus) -> None:
    for row in corpus.rows("drills", 0, 10):
        assert set(row.weights) == {0.0, corpus.read, 1.0}
        assert [weight == 1.0 for weight in row.weights] == row.written


def test_mistakes_do_not_count_at_all(chat: ChatTokenizer) -> None:
    good = answered(3)
    # The same answer twice, and the first one is a mistake.
    bad = replace(
        good,
        messages=[*good.messages, *good.messages[1:]],
        trained=[False, False, False, False, True],
    )
    corpus = Corpus(chat, [])
    rows = [corpus.row(example, "x") for example in (good, bad)]
    size = sum(rows[0].written)
    assert sum(rows[1].written) == size
    start = rows[0].written.index(True)
    assert rows[1].ids[start : start + size] == rows[0].ids[start : start + size]
    assert not any(rows[1].weights[start : start + size])


def test_steps_take_rows_in_order_and_none_twice(corpus: Corpus) -> None:
    asked: list[tuple[str, int]] = []

    class Asked:
        def rows(self, kind: str, start: int, count: int, compounds: float = 0.0) -> list[Row]:
            asked.extend((kind, n) for n in range(start, start + count))
            return []

    for step in range(SMALL.steps):
        SMALL.rows(Asked(), step)  # type: ignore[arg-type]
    assert len(asked) == len(set(asked)) == 2 * 2 + 2 * 6
    assert sorted(n for kind, n in asked if kind == "drills") == list(range(2))


def test_learning_rates_rise_and_fall() -> None:
    factors = [Pretraining().factor(step) for step in range(Pretraining().steps)]
    assert factors[0] < 0.1
    assert max(factors) == 1.0
    assert factors[-1] < 0.02


def test_batches_are_of_one_length_and_hold_every_row() -> None:
    rows = [Row([1] * n, [1.0] * n, [True] * n) for n in (5, 9, 2, 7, 30, 3)]
    made = list(batches(rows, 20))
    assert sorted(len(row.ids) for batch in made for row in batch) == [2, 3, 5, 7, 9, 30]
    assert all(len(b) == 1 or len(b) * max(len(r.ids) for r in b) <= 20 for b in made)


def test_an_untrained_student_copies_what_it_read(corpus: Corpus, chat: ChatTokenizer) -> None:
    model = untrained(SMALL, chat)
    ids, _, counted = padded(corpus.rows("copies", 0, 4))
    with torch.no_grad():
        guesses = model(input_ids=ids).logits[:, :-1].argmax(-1)
    assert (guesses == ids[:, 1:])[counted[:, 1:]].float().mean() > 0.8


def test_attention_in_halves_is_attention(chat: ChatTokenizer) -> None:
    model = untrained(SMALL, chat)
    ids = torch.randint(3, 700, (2, 401))
    with torch.no_grad():
        mine = model(input_ids=ids).logits
        model.set_attn_implementation("sdpa")
        assert torch.allclose(model(input_ids=ids).logits, mine, atol=1e-3)
    assert attend.NAME == "halves"


def test_padding_changes_no_loss(corpus: Corpus, chat: ChatTokenizer) -> None:
    model = untrained(SMALL, chat).double()
    rows = corpus.rows("drills", 0, 3)
    with torch.no_grad():
        together = weighted_loss(model, rows)
        alone = sum(weighted_loss(model, [row]) for row in rows)
    assert torch.isclose(together, torch.as_tensor(alone), rtol=2e-2)


def test_a_run_that_was_killed_ends_as_one_that_was_not(
    folder: Path, corpus: Corpus, chat: ChatTokenizer, tmp_path: Path
) -> None:
    whole = Training(SMALL, chat, tmp_path / "whole.pt")
    news = list(whole.go(corpus))
    assert news[-2]["step"] == SMALL.steps
    assert news[-1]["averaged"] == 3
    killed = Training(SMALL, chat, tmp_path / "killed.pt")
    for step in range(3):  # One more than the checkpoint has.
        killed.learn(SMALL.rows(corpus, step))
        if step == 1:
            killed.save()
    with pytest.raises(Refused, match="other numbers"):
        Training(replace(SMALL, seed=1), chat, tmp_path / "killed.pt")
    resumed = Training(SMALL, chat, tmp_path / "killed.pt")
    assert resumed.step == 2
    list(resumed.go(corpus))
    for one, other in zip(
        whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_the_student_is_the_mean_of_what_is_averaged(
    corpus: Corpus, chat: ChatTokenizer, tmp_path: Path
) -> None:
    training = Training(SMALL, chat, tmp_path / "whole.pt")
    kept: list[dict[str, torch.Tensor]] = []
    for step in range(SMALL.steps):
        training.learn(SMALL.rows(corpus, step))
        if training.step in SMALL.averaged:
            weights = training.model.state_dict()
            kept.append({name: weight.clone() for name, weight in weights.items()})
    list(training.go(corpus))
    for name, weight in training.model.state_dict().items():
        mean = sum(weights[name] for weights in kept) / len(kept)
        assert torch.allclose(weight, torch.as_tensor(mean))
    last = kept[-1]["lm_head.weight"]
    assert not torch.allclose(training.model.state_dict()["lm_head.weight"], last, atol=1e-7)


def test_the_share_of_exact_turns_is_counted(corpus: Corpus, chat: ChatTokenizer) -> None:
    model = untrained(SMALL, chat)
    ids = [chat.special["<|im_start|>"]] * 4
    with torch.no_grad():
        guess = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
    flags = [False] * 4 + [True]
    right = Row([*ids, guess], [0.0] * 4 + [1.0], flags)
    wrong = Row([*ids, guess - 1], [0.0] * 4 + [1.0], flags)
    assert exact(model, [right, wrong, wrong, wrong]) == 0.25


def test_a_run_leaves_a_student_that_transformers_and_llama_load(folder: Path) -> None:
    from llama_cpp import Llama
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run(folder, SMALL)
    made = folder / "student"
    model = AutoModelForCausalLM.from_pretrained(made, dtype=torch.float32)
    load = cast("Any", AutoTokenizer.from_pretrained)
    ids = cast("list[int]", load(made)("def f(x):\n    return x").input_ids)
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    llama = Llama(str(made / "base.gguf"), n_ctx=256, logits_all=True, verbose=False)
    llama.eval(ids)
    found = llama.scores[: len(ids)]
    assert abs(found - expected).max() < 0.05 * abs(expected).max()
    llama.close()
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-2])["step"] == SMALL.steps


def test_pretraining_imports_nothing_heavy() -> None:
    code = (
        "import sys; import training.pretrain, training.corpus, training.induction\n"
        "heavy = {'torch', 'transformers', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
