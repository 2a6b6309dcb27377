"""Models from the hub: what is shown, asked, fetched, gone on with, checked and refused."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.models.library import Library
from tests.assistant.terminal import COMMAND, clean_environment
from tests.gguf_bytes import QWEN, gguf
from tests.servers.hub_server import HubServer, Repo

MODEL = gguf(numbers=300_000)
NAKED = gguf({key: value for key, value in QWEN.items() if "template" not in key})
FILES = {"m-Q4_K_M.gguf": MODEL, "m-Q8_0.gguf": NAKED, "mmproj-m.gguf": b"", "README.md": b""}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    repos = {
        "o/good": Repo(FILES),
        "o/cut": Repo(FILES, cuts=1),
        "o/cutter": Repo(FILES, cuts=7),
        "o/wrong": Repo(FILES, claims=hashlib.sha256(b"other").hexdigest()),
        "o/gated": Repo(FILES, gated=True, token="hf_right"),
        "o/huge": Repo(FILES, size=10**15),
        "o/broken": Repo(FILES, status=500),
        "o/evil": Repo({"../\x1b[2J/../m.gguf": MODEL}, licence="mit\x1b]0;x\x07\nsize     1 kB"),
        "o/parts": Repo({"m-00001-of-00002.gguf": b"", "m-00002-of-00002.gguf": b""}),
    }
    with HubServer(repos) as server:
        yield server


def run(home: Path, hub: str, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | {"ASSISTANT_HOME": str(home), "HF_ENDPOINT": hub}
    environment |= {"HF_HOME": str(home / "hf"), "HF_TOKEN": token}
    return subprocess.run(
        [COMMAND, "models", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        cwd=home,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("assistant: ")
    assert "Traceback" not in done.stderr
    assert all(word in sentence for word in words), sentence


def test_a_model_is_shown_asked_for_fetched_and_used(tmp_path: Path, hub: HubServer) -> None:
    asked = run(tmp_path, hub.url, "pull", "o/good", "--name", "good")
    refused(asked, "Fetch it as 'good'?", "--yes")
    assert "o/good:m-Q4_K_M.gguf" in asked.stderr
    assert "apache-2.0" in asked.stderr
    assert "1 MB" in asked.stderr
    assert hub.ranges == []
    done = run(tmp_path, hub.url, "pull", "o/good", "--name", "good", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["licence"]) == ("good", "apache-2.0")
    path = tmp_path / "gguf/good.gguf"
    assert path.read_bytes() == MODEL
    assert told["sha256"] == hashlib.sha256(MODEL).hexdigest()
    assert not list(path.parent.glob("*.part"))
    shown = json.loads(run(tmp_path, hub.url, "show", "good", "--json").stdout)
    assert shown["tool calls"] == "hermes"
    assert "4,096 tokens trained" in shown["context"]
    assert "from now on" in run(tmp_path, hub.url, "use", "good").stdout
    refused(run(tmp_path, hub.url, "remove", "good", "--yes"), "good", "use")
    refused(run(tmp_path, hub.url, "pull", "o/good", "--name", "good", "--yes"), "already")
    assert "deleted" not in run(tmp_path, hub.url, "use", "claude").stdout
    refused(run(tmp_path, hub.url, "remove", "good"), "Delete 'good'", "--yes")
    assert "deleted" in run(tmp_path, hub.url, "remove", "good", "--yes").stdout
    assert not path.exists()


def test_a_fetch_that_is_cut_goes_on_where_it_was(tmp_path: Path, hub: HubServer) -> None:
    done = run(tmp_path, hub.url, "pull", "o/cut:Q4", "--yes")
    assert done.returncode == 0, done.stderr
    first, second = hub.ranges
    assert (first, second.startswith("bytes=")) == ("", True)
    assert int(second[6:-1]) > 0
    assert (tmp_path / "gguf/m-q4_k_m.gguf").read_bytes() == MODEL
    done = run(tmp_path, hub.url, "pull", "o/cutter:Q4", "--yes", "--name", "cutter")
    assert (tmp_path / "gguf/cutter.gguf").read_bytes() == MODEL, done.stderr


def test_a_process_that_died_left_what_came(tmp_path: Path, hub: HubServer) -> None:
    # As the first half that a killed process leaves behind.
    digest = hashlib.sha256(MODEL).hexdigest()
    with Library(tmp_path).incoming("m", digest) as part:
        part.write_bytes(MODEL[: len(MODEL) // 2])
    done = run(tmp_path, hub.url, "pull", "o/good", "--name", "m", "--yes")
    assert done.returncode == 0, done.stderr
    assert hub.ranges == [f"bytes={len(MODEL) // 2}-"]
    assert (tmp_path / "gguf/m.gguf").read_bytes() == MODEL


def test_what_is_not_what_was_offered_does_not_stay(tmp_path: Path, hub: HubServer) -> None:
    refused(run(tmp_path, hub.url, "pull", "o/wrong", "--yes"), "SHA-256", "again")
    refused(run(tmp_path, hub.url, "pull", "o/good:Q8", "--yes"), "chat template")
    assert not list((tmp_path / "gguf").glob("*.gguf"))
    assert not list((tmp_path / "gguf").glob(".*.part"))


def test_a_gated_model_wants_a_token_that_the_cdn_never_sees(
    tmp_path: Path, hub: HubServer
) -> None:
    refused(run(tmp_path, hub.url, "pull", "o/gated", "--yes"), "terms", "HF_TOKEN", hub.url)
    wrong = run(tmp_path, hub.url, "pull", "o/gated", "--yes", token="hf_wrong")
    refused(wrong, "terms")
    assert "hf_wrong" not in wrong.stderr
    done = run(tmp_path, hub.url, "pull", "o/gated", "--yes", token="hf_right")
    assert done.returncode == 0, done.stderr
    assert hub.leaked == []


def test_what_strangers_wrote_on_the_hub_steers_nothing(tmp_path: Path, hub: HubServer) -> None:
    asked = run(tmp_path, hub.url, "pull", "o/evil")
    refused(asked, "Fetch it as 'm'?")
    assert "\x1b" not in asked.stderr
    assert "\x07" not in asked.stderr
    assert len(asked.stderr.splitlines()) == 5
    none = run(tmp_path, hub.url, "pull", "o/evil:nothing")
    refused(none, "no GGUF file 'nothing'")
    assert "\x1b" not in none.stderr
    assert not list(tmp_path.rglob("m.gguf"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("o/none", ["o/none", "is not on", "HF_TOKEN"]),
        ("o/huge", ["GB left", "free disk space"]),
        ("o/broken", ["fails (500)"]),
        ("o/parts", ["no GGUF file", "none in one piece"]),
        ("o/good:Q9", ["no GGUF file 'Q9'", "m-Q4_K_M.gguf, m-Q8_0.gguf"]),
        ("o/good:gguf", ["several files 'gguf'"]),
        ("qwen-codr", ["no preset 'qwen-codr'", "qwen-coder-1.5b"]),
        ("a/b c", ["'a/b c'", "owner/repo"]),
    ],
)
def test_what_cannot_be_had(tmp_path: Path, hub: HubServer, model: str, words: list[str]) -> None:
    refused(run(tmp_path, hub.url, "pull", model, "--yes"), *words)


def test_a_hub_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "http://127.0.0.1:9", "pull", "qwen-coder-0.5b", "--yes")
    refused(done, "http://127.0.0.1:9 cannot be reached", "HF_ENDPOINT")


def test_a_file_from_disk_is_checked_and_linked(tmp_path: Path) -> None:
    source = tmp_path / "My Model.gguf"
    source.write_bytes(MODEL)
    done = run(tmp_path, "", "add", str(source), "--name", "mine")
    assert done.returncode == 0, done.stderr
    added = tmp_path / "gguf/mine.gguf"
    assert os.path.samestat(source.stat(), added.stat())
    source.unlink()
    assert added.read_bytes() == MODEL
    (tmp_path / "cut.gguf").write_bytes(MODEL[:-1])
    refused(run(tmp_path, "", "add", str(tmp_path / "cut.gguf")), "cut.gguf is cut short")
    (tmp_path / "n.gguf").write_bytes(NAKED)
    refused(run(tmp_path, "", "add", str(tmp_path / "n.gguf")), "no chat template")
    shutil.copy(added, source)
    refused(run(tmp_path, "", "add", str(source), "--name", "claude"), "another model")
    refused(run(tmp_path, "", "add", str(source), "--name", "../x"), "cannot be a model's name")
