from pathlib import Path

from assistant.install import require_training, requirements


def test_an_extra_is_resolved_to_what_pip_takes() -> None:
    wanted = requirements("train")
    assert "torch==2.13.0" in wanted
    assert "llama-cpp-python==0.3.36" in wanted
    assert not any("extra" in text or text.startswith("assistant") for text in wanted)
    assert set(requirements("local")) < set(wanted)


def test_what_is_there_is_not_asked_for(tmp_path: Path) -> None:
    require_training(tmp_path / "log", yes=True)
    assert not (tmp_path / "log").exists()
