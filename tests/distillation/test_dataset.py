"""Datasets: what goes in is what may go in, and the hash says what is inside."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.episode import Episode, Step
from agent.message import Message, assistant, observed, system, user
from agent.task import split_of
from distillation.dataset import Dataset, Rules
from sandbox.check import Verdict
from sandbox.refused import Refused
from tools.call import Observation, ToolCall

TRAIN = [f"t{n}" for n in range(100) if split_of(f"t{n}", 0.2) == "train"]
HELDOUT = [f"t{n}" for n in range(100) if split_of(f"t{n}", 0.2) == "heldout"]


def episode(id: str, task: str = TRAIN[0], text: str = "", **changes: Any) -> Episode:
    call = ToolCall("c1", "shell", {"command": f"ls {text}"})
    thinking: Message = assistant("Look.", [call])
    thinking["provider"] = {"signature": "only Claude reads this"}
    steps = (
        Step(system("s")),
        Step(user(f"fix it {text}")),
        Step(thinking),
        Step(observed(Observation("c1", "shell", "a.py"))),
        Step(assistant("{oops"), trained=False),
        Step(user("Write it again.")),
        Step(assistant("Done.")),
    )
    base = Episode(id, task, "d", "reference", (), 1.0, steps, stop="end", verdict=Verdict("pass"))
    return replace(base, **changes)


def test_a_dataset_is_frozen_under_the_hash_of_its_content(tmp_path: Path) -> None:
    first = Dataset.freeze([episode("a"), episode("b", text="2")], tmp_path)
    again = Dataset.freeze([episode("b", text="2"), episode("a")], tmp_path)
    other = Dataset.freeze([episode("a", text="3")], tmp_path)
    assert first.hash == again.hash != other.hash
    assert Dataset.open(first.folder) == first
    assert first.episodes == ("a", "b")


def test_rows_train_readable_assistant_turns_only(tmp_path: Path) -> None:
    (row,) = Dataset.freeze([episode("a")], tmp_path).examples()
    assert row.trained == [False, False, True, False, False, False, True]
    assert [m["role"] for m in row.messages][:3] == ["system", "user", "assistant"]
    assert "signature" not in json.dumps(row.messages)


def test_a_history_that_was_shortened_gives_a_row_for_each_stretch(tmp_path: Path) -> None:
    whole = episode("a")
    note: Message = user("[left out]")
    note["kept_from"] = 4
    more = (Step(note, trained=False), Step(assistant("More.")), Step(user("Thanks.")))
    rows = Dataset.freeze([replace(whole, steps=(*whole.steps, *more))], tmp_path).examples()
    before, after = rows
    assert (before.messages, before.trained) == (
        Dataset.freeze([whole], tmp_path).examples()[0].messages,
        [False, False, True, False, False, False, True],
    )
    said = [message["content"] for message in after.messages]
    assert said[:3] == ["s", "fix it \n\n[left out]", "{oops"]
    assert said[3:] == ["Write it again.", "Done.", "More.", "Thanks."]
    assert after.trained == [False] * 5 + [True, False]
    assert "kept_from" not in json.dumps(after.messages)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": Verdict("fail")}, "check failed"),
        ({"verdict": Verdict("unknown")}, "check unknown"),
        ({"verdict": None}, "no verdict"),
        ({"stop": None}, "never finished"),
        ({"stop": "limit: steps"}, "stopped by a limit"),
        ({"task": HELDOUT[0]}, "held-out task"),
        ({"task": ""}, "a chat without a check"),
        ({"model": "other"}, "other model"),
        ({}, "duplicate"),
    ],
)
def test_what_is_dropped_is_counted_with_its_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    episodes = [episode("a"), episode("b", **changes)]
    dataset = Dataset.freeze(episodes, tmp_path, Rules(models=("reference",)))
    assert (dataset.rows, dataset.dropped) == (1, {reason: 1})


def test_of_one_task_only_so_many_are_kept_the_shortest_first(tmp_path: Path) -> None:
    long = [episode(f"l{n}", text=f"{n}") for n in range(3)]
    short = replace(episode("s", text="s"), steps=episode("s", text="s").steps[:3])
    dataset = Dataset.freeze([*long, short], tmp_path, Rules(per_task=2))
    assert dataset.episodes == ("l0", "s")
    assert dataset.dropped == {"more than enough of its task": 2}


def test_nothing_left_is_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="1 check failed"):
        Dataset.freeze([episode("a", verdict=Verdict("fail"))], tmp_path)
    with pytest.raises(Refused, match="no episode was collected"):
        Dataset.freeze([], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_changed_or_lost_are_refused(tmp_path: Path) -> None:
    dataset = Dataset.freeze([episode("a"), episode("b", text="2")], tmp_path)
    rows = dataset.folder / "rows.jsonl"
    whole = rows.read_bytes()
    for content in (whole.replace(b"Look.", b"Hack!"), whole.replace(b"{", b"\xff", 1)):
        rows.write_bytes(content)
        with pytest.raises(Refused, match="was changed"):
            dataset.examples()
    rows.unlink()
    with pytest.raises(Refused, match="was changed"):
        dataset.examples()


def test_a_dataset_without_its_manifest_or_rows_is_refused(tmp_path: Path) -> None:
    dataset = Dataset.freeze([episode("a"), episode("b", text="2")], tmp_path)
    rows = dataset.folder / "rows.jsonl"
    rows.write_text(rows.read_text("utf-8").split("\n")[0] + "\n", encoding="utf-8")
    with pytest.raises(Refused, match="was changed"):
        dataset.examples()
    (dataset.folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(Refused, match="no whole dataset"):
        Dataset.open(dataset.folder)
    # Frozen again, it is whole again: a half-written one was never one.
    (dataset.folder / "manifest.json").unlink()
    assert Dataset.freeze([episode("a"), episode("b", text="2")], tmp_path).examples()


def test_the_split_never_moves_and_has_about_its_share() -> None:
    assert split_of("quixbugs/gcd", 0.2) == split_of("quixbugs/gcd", 0.2)
    ids = [f"task/{n}" for n in range(2000)]
    share = sum(split_of(id, 0.2) == "heldout" for id in ids) / len(ids)
    assert 0.17 < share < 0.23
    # A larger share only adds tasks to the held-out side.
    assert all(split_of(id, 0.4) == "heldout" for id in ids if split_of(id, 0.2) == "heldout")
