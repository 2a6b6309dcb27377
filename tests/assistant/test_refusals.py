"""Bad input gets one sentence that names the thing and the mend, exit code 2, and loses nothing."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from agent.store import Store
from assistant.demo import NEW, heldout
from assistant.student import make
from tests.assistant.terminal import COMMAND, clean_environment
from training.registry import Registry

GOOD = json.dumps({"id": "t/1", "prompt": "Do it.", "tests": {"test_a.py": "def test(): pass\n"}})


def run(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env=clean_environment() | {"ASSISTANT_HOME": str(home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=home,
    )  # fmt: skip


def refused(home: Path, *arguments: str | Path) -> str:
    """The sentence."""
    done = run(home, *arguments)
    assert done.returncode == 2, done.stderr
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("assistant: ")
    assert "Traceback" not in done.stderr
    return sentence


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "t/2", "prom', ["line 2", "not JSON"]),
        ('{"id": "t/2", "prompt": "Do it."}', ["line 2", "check", "tests"]),
        ('{"id": "t/2"}', ["line 2", "prompt"]),
        (GOOD, ["line 2", "t/1", "line 1"]),
        ('{"id": "t/2", "prompt": "x", "files": {"../a": ""}, "tests": {"t.py": ""}}', ["../a"]),
    ],
)
def test_a_broken_task_is_named_by_file_and_line(
    tmp_path: Path, line: str, words: list[str]
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(f"{GOOD}\n{line}\n")
    sentence = refused(tmp_path, "collect", "--tasks", path)
    assert all(word in sentence for word in [str(path), *words]), sentence


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.jsonl" in refused(tmp_path, "collect", "--tasks", tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "hello", "--model", "nonsense"], ["nonsense", "claude"]),
        (["-p", "hello", "--model", "cloude:x"], ["cloude"]),
        (["-p", "hello", "--model", "claude"], ["ANTHROPIC_API_KEY"]),
        (["-p", "hello", "--model", "local:nowhere.gguf"], ["nowhere.gguf"]),
        (["-p", "hello", "--model", "reference"], ["collect"]),
        (["-p", " "], ["Nothing was asked"]),
        (["models", "use", "v9"], ["v9", "models"]),
        (["models", "use", "../v9"], ["v9"]),
        (["models", "rollback"], ["no earlier version"]),
        (["episodes", "show", "none"], ["none", "episodes list"]),
        (["retrain", "--set", "recipe.rank=0"], ["recipe", "rank"]),
        (["-p", "hello", "--allow", "*"], ["'*'", "docs.python.org"]),
        (["-p", "hello", "--allow", "https://x.org/"], ["https://x.org/", "alone: x.org"]),
        (["-p", "hello", "--set", "network.allow=a b"], ["'a b'"]),
        (["-p", "hello", "--set", "web.search=goggle"], ["goggle", "ddgs"]),
        (["-p", "hello", "--set", "web.search=brave"], ["BRAVE_API_KEY"]),
        (["-p", "hello", "--set", "sandbox.backend=none"], ["sandbox.backend", "bubblewrap"]),
        (["-p", "hello", "--isolate", "--dangerously-without-sandbox"], ["--isolate"]),
    ],
)
def test_what_does_not_exist_is_named(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    sentence = refused(tmp_path, *arguments)
    assert all(word in sentence for word in words), sentence


def test_a_gguf_cut_in_half_is_refused_and_the_rest_is_kept(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    version = make(registry)
    store = Store(tmp_path / "episodes.db")
    store.remember(heldout(NEW, 0, 1)[0])
    store.close()
    gguf = registry.path(version.id) / "base.gguf"
    half = tmp_path / "half.gguf"
    half.write_bytes(gguf.read_bytes()[: gguf.stat().st_size // 2])
    assert "half.gguf" in refused(tmp_path, "-p", "hello", "--model", f"local:{half}")
    gguf.write_bytes(half.read_bytes())
    sentence = refused(tmp_path, "-p", "hello")
    assert "base.gguf" in sentence
    assert "rollback" in sentence
    store = Store(tmp_path / "episodes.db")
    assert len(store.tasks()) == 1
    store.close()


def test_a_broken_setting_stops_every_command(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[chat\n")
    assert "config.toml" in refused(tmp_path, "doctor")


def test_a_store_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "episodes.db").write_text("not a database, and long enough to be looked at" * 100)
    assert "episodes.db" in refused(tmp_path, "episodes", "list")


@pytest.mark.parametrize("arguments", [["-p", "hello"], ["models", "list"], ["student", "init"]])
def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [COMMAND, *arguments],
        env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path / "file" / "home")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "ASSISTANT_HOME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("most", "seed"), [(40, "--seed 0"), (500, "--seed 0"), (2340, "--seed 0"), (40, "")]
)
def test_a_student_that_the_disk_has_no_room_for(tmp_path: Path, most: int, seed: str) -> None:
    # A limit of the size of files, in KiB, which the tokenizer, the weights or the GGUF meets.
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f {most}; exec "$0" student init {seed}', COMMAND],
        env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "free disk space" in done.stderr
    assert list((tmp_path / "models").iterdir()) == []


def test_a_closed_standard_input_asks_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", 'exec "$0" <&-', COMMAND],
        env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr


def test_a_collection_that_is_stopped_says_how_it_goes_on(tmp_path: Path) -> None:
    tasks = Path(__file__).with_name("tasks.jsonl")
    process = subprocess.Popen(
        [COMMAND, "collect", "--teacher", "reference", "--jobs", "1", "--tasks", tasks],
        env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert "the same command goes on" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
