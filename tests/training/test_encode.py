from dataclasses import replace
from pathlib import Path

import pytest

from distillation.example import Example
from sandbox.refused import Refused
from tests.training.material import RECIPE, make_example
from training.encode import Rows, load, save
from training.tokens import ChatTokenizer, Encoded, encode


def test_rows_are_split_by_task_and_nothing_is_lost(
    examples: list[Example], chat: ChatTokenizer, tmp_path: Path
) -> None:
    # Two episodes of each task: both must fall on the same side.
    twice = [*examples, *(replace(example, episode="again") for example in examples)]
    rows = Rows.make(twice, chat, RECIPE, tmp_path / "rows")
    assert (rows.train, rows.evaluation, rows.dropped) == (54, 6, {})
    train = [tuple(ids) for ids, _ in load(tmp_path / "rows/train.npz")]
    evaluation = [tuple(ids) for ids, _ in load(tmp_path / "rows/eval.npz")]
    assert not set(train) & set(evaluation)
    wanted = [tuple(encode(example, chat).ids) for example in twice]
    assert sorted(train + evaluation) == sorted(wanted)
    assert rows.tokens == sum(map(len, wanted))
    assert Rows.open(tmp_path / "rows") == rows


def test_too_long_rows_are_dropped_and_counted(chat: ChatTokenizer, tmp_path: Path) -> None:
    long = make_example(1)
    long.messages[3]["content"] = "x = 1\n" * 500
    recipe = replace(RECIPE, max_length=300)
    rows = Rows.make([make_example(2), make_example(3), long], chat, recipe, tmp_path)
    assert rows.dropped == {"longer than 300 tokens": 1}
    with pytest.raises(Refused, match=r"1 for .longer than"):
        Rows.make([make_example(2), long], chat, recipe, tmp_path)


def test_episodes_of_one_task_still_leave_some_to_train(
    chat: ChatTokenizer, tmp_path: Path
) -> None:
    one_task = [replace(make_example(seed), task="t") for seed in range(3)]
    rows = Rows.make(one_task, chat, RECIPE, tmp_path)
    assert (rows.train, rows.evaluation) == (2, 1)


def test_rows_come_back_as_they_were_saved(tmp_path: Path) -> None:
    rows = [Encoded([1, 2, 3], [False, True, True]), Encoded([4], [True])]
    save(tmp_path / "rows.npz", rows)
    loaded = load(tmp_path / "rows.npz")
    assert [Encoded(ids.tolist(), mask.tolist()) for ids, mask in loaded] == rows


def test_unfinished_rows_do_not_open(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Rows.open(tmp_path)
