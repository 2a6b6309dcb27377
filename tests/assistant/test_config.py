import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.config import Config, load
from sandbox.refused import Refused


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    return tmp_path


def test_defaults_without_a_file(home: Path) -> None:
    assert load() == Config(home)


def test_set_beats_environment_beats_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config.toml").write_text('[chat]\nmodel = "a"\nmode = "edits"\n')
    monkeypatch.setenv("ASSISTANT_CHAT__MODEL", "b")
    monkeypatch.setenv("ASSISTANT_CHAT__MODE", "auto")
    chat = load(["chat.model=c"]).chat
    assert (chat.model, chat.mode) == ("c", "auto")


def test_numbers_and_none_are_read_from_text() -> None:
    config = load(["collect.cost=0.5", "collect.jobs=3", "limits.cost=none", "limits.seconds=1e2"])
    assert (config.collect.cost, config.collect.jobs) == (0.5, 3)
    assert (config.limits.cost, config.limits.seconds) == (None, 100.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[chat]\nmodle = 'x'\n", ["config.toml", "chat", "'modle'", "'model'"]),
        ("[caht]\nmodel = 'x'\n", ["config.toml", "'caht'", "'chat'"]),
        ("[chat]\nmode = 'yolo'\n", ["config.toml", "chat.mode", "ask, edits, auto"]),
        ("[collect]\njobs = 1.5\n", ["config.toml", "collect.jobs", "a whole number"]),
        ("[collect]\njobs = true\n", ["config.toml", "collect.jobs", "a whole number"]),
        ("[collect]\ncost = '1'\n", ["config.toml", "collect.cost", "a number"]),
        ("[sandbox]\nbackend = 'none'\n", ["config.toml", "sandbox.backend", "bubblewrap"]),
        ("[network]\nallow = 'a.b'\n", ["config.toml", "network.allow", "a list of texts"]),
        ("[sandbox]\nimage = ''\n", ["config.toml", "sandbox.image"]),
        ("[sandbox]\nmemory_mb = -5\n", ["config.toml", "sandbox.memory_mb", "between 32 and"]),
        ("[sandbox]\nprocesses = 0\n", ["config.toml", "sandbox.processes", "between 8 and"]),
        ("[sandbox]\noutput_bytes = 999999999999\n", ["config.toml", "sandbox.output_bytes"]),
        ("[sandbox]\ncpus = nan\n", ["config.toml", "sandbox.cpus", "not nan"]),
        ("[sandbox]\nseconds = inf\n", ["config.toml", "sandbox.seconds", "not inf"]),
        ("chat = 'x'\n", ["config.toml", "[chat]"]),
        ("[chat\n", ["config.toml", "not TOML", "line 1"]),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_key(home: Path, text: str, words: list[str]) -> None:
    (home / "config.toml").write_text(text)
    with pytest.raises(Refused) as refusal:
        load()
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("change", ["chat.model", "chat=x", "=x", "chat.=x", ""])
def test_set_needs_section_key_value(change: str) -> None:
    with pytest.raises(Refused, match="--set"):
        load([change])


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_CHAT__MODEK", "x")
    with pytest.raises(Refused, match=r"environment.*'modek'.*'model'"):
        load()


@given(st.text(max_size=30))
def test_any_text_is_taken_or_refused(change: str) -> None:
    with contextlib.suppress(Refused):
        load([change, "collect.cost=" + change])
