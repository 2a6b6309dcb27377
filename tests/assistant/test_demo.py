from pathlib import Path

import pytest

from agent.task import split_of
from assistant.config import Config
from assistant.demo import KNOWN, NEW, heldout, own_home, taught
from distillation.dataset import Rules
from distillation.programs.tutor import teacher
from sandbox.refused import Refused
from training.corpus import FAMILY


def test_the_student_was_pretrained_on_one_family_only() -> None:
    assert FAMILY == KNOWN != NEW


def test_what_is_taught_is_trained_and_what_is_judged_is_neither_taught_nor_known() -> None:
    lessons, judged = taught(NEW, 0, 30), heldout(NEW, 0, 30)
    assert len({task.id for task in lessons}) == len(lessons) == len(judged) == 30
    assert {split_of(task.id, Rules().heldout) for task in lessons} == {"train"}
    files = [{tuple(task.files.items()) for task in tasks} for tasks in (lessons, judged)]
    assert not files[0] & files[1]
    for task in lessons[:3]:
        teacher(task)  # Refused if it knew no such task.


def test_each_seed_has_other_tasks_and_always_the_same() -> None:
    for made in (heldout, taught):
        assert made(NEW, 0, 5) == made(NEW, 0, 5)
        prompts = [{(t.prompt, *t.files.values()) for t in made(NEW, seed, 20)} for seed in (0, 1)]
        assert not prompts[0] & prompts[1]


def test_its_home_is_its_own_and_shares_the_cache(tmp_path: Path) -> None:
    with own_home(Config(tmp_path / "mine")) as config:
        assert config.home != tmp_path / "mine"
        (config.home / "episodes.db").write_text("x")
        (config.home / "cache" / "download").write_text("x")
    assert not config.home.exists()
    assert (tmp_path / "mine/cache/download").read_text() == "x"


def test_a_play_that_was_cut_short_goes_on_in_the_same_home(tmp_path: Path) -> None:
    def cut_short() -> None:
        with own_home(Config(tmp_path), 3) as config:
            (config.home / "episodes.db").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_short()
    with own_home(Config(tmp_path), 4) as other:
        assert not (other.home / "episodes.db").exists()
    with own_home(Config(tmp_path), 3) as again:
        assert (again.home / "episodes.db").read_text() == "x"
    assert [path.suffix for path in (tmp_path / "demo").iterdir()] == [".lock", ".lock"]


def test_a_play_of_another_student_is_not_gone_on_with(tmp_path: Path) -> None:
    home = tmp_path / "demo/seed-3"
    home.mkdir(parents=True)
    (home / "of").write_text("another student, and its tasks")
    (home / "episodes.db").write_text("x")
    with own_home(Config(tmp_path), 3) as config:
        assert config.home == home
        assert not (home / "episodes.db").exists()


def test_nobody_else_plays_in_it_meanwhile(tmp_path: Path) -> None:
    with own_home(Config(tmp_path), 3) as config:
        with (
            pytest.raises(Refused, match="seed 3 is running already"),
            own_home(Config(tmp_path), 3),
        ):
            pass
        assert config.home.is_dir()
        with own_home(Config(tmp_path), 4):
            pass
