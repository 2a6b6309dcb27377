from pathlib import Path

from training import base_gguf, student
from training.registry import Registry
from training.scorecard import Result, Scorecard
from training.ship import ship
from training.version import CARD


def results(solved: int, of: int) -> tuple[Result, ...]:
    outcomes = ["pass"] * solved + ["fail"] * (of - solved)
    return tuple(
        Result(f"t{n}", f"d{n}", "pass" if outcome == "pass" else "fail", "end", 3, 1.0, "e")
        for n, outcome in enumerate(outcomes)
    )


def test_a_student_is_shipped_with_a_card_that_has_its_figures(base: Path, tmp_path: Path) -> None:
    cards = {"functions": Scorecard("student", "hash", results(170, 200))}
    ship(base, cards, tmp_path / "base")
    text = (tmp_path / "base" / CARD).read_text(encoding="utf-8")
    assert "| functions | 170 of 200 (79 to 89 %) |" in text
    assert "{" not in text
    assert "make student" in text
    registry = Registry(tmp_path / "home")
    assert not registry.add_base(tmp_path / "base", "taught").is_untrained
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_student_without_a_card_is_untrained(tmp_path: Path) -> None:
    student.init(tmp_path / "made")
    assert Registry(tmp_path / "home").add_base(tmp_path / "made").is_untrained


def test_the_shipped_gguf_is_the_shipped_weights(tmp_path: Path) -> None:
    folder = student.shipped()
    assert folder is not None
    base_gguf.write(folder, tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == (folder / "base.gguf").read_bytes()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25e6
    assert (folder / CARD).is_file()
