"""The list of models, the servers that answer, and the line that says what the chat opens with."""

import json
import os
import socket
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.models.settings import Endpoint
from assistant.models.default import set_default
from assistant.models.endpoints import ask
from assistant.models.presets import presets
from assistant.models.pull import Rate
from assistant.models.table import table
from assistant.progress import Line
from assistant.style import Style
from sandbox.refused import Refused
from tests.assistant.terminal import COMMAND, clean_environment
from tests.gguf_bytes import gguf
from tests.servers import openai_server
from tests.servers.model_server import ModelServer


def run(
    home: Path, *arguments: str, said: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "models", *arguments],
        env=clean_environment() | {"ASSISTANT_HOME": str(home)} | more,
        input=said, capture_output=True, text=True, check=False, cwd=home,
    )  # fmt: skip


def test_servers_are_asked_at_once_and_none_holds_the_list_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINE_KEY", "sk-mine")
    # No proxy may see what is asked of one's own machine.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with (
        ModelServer(openai_server.events, []) as server,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        began = time.monotonic()
        found = ask(
            {
                "empty": Endpoint(f"{server.url}/v1", "MINE_KEY"),
                **{f"silent{n}": Endpoint(place) for n in range(20)},
                "closed": Endpoint("http://127.0.0.1:9/v1"),
                "nonsense": Endpoint("http://[broken/v1"),
            },
            patience=0.3,
        )
    assert time.monotonic() - began < 3
    problems = {each.endpoint: each.problem for each in found}
    assert problems["empty"] == ""
    assert problems["silent7"] == "silent"
    assert "refused" in problems["closed"]
    assert problems["nonsense"]


def test_everything_is_listed(tmp_path: Path) -> None:
    with ModelServer(openai_server.events, []) as server:
        (tmp_path / "config.toml").write_text(
            f'[models.endpoints.mine]\nbase_url = "{server.url}/v1"\n'
            '[models.endpoints.gone]\nbase_url = "http://127.0.0.1:9/v1"\n'
        )
        done = run(tmp_path, ANTHROPIC_API_KEY="sk-secret")
        rows = [json.loads(line) for line in run(tmp_path, "--json").stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    for words in ("no student yet", "mine:…", "gone:…", "ANTHROPIC_API_KEY is set", "$2.00 in"):
        assert words in done.stdout
    assert "sk-secret" not in done.stdout
    kinds = [row["kind"] for row in rows]
    assert kinds.count("endpoint") >= 2
    assert {row["name"] for row in rows if row["kind"] == "preset"} == set(presets())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "cluade"], ["did you mean 'claude'"]),
        (["use", "qwn-coder-7b"], ["did you mean 'qwen-coder-7b'"]),
        (["use", "qwen-coder-7b"], ["pull qwen-coder-7b"]),
        (["use"], ["Which model"]),
        (["remove", "claude"], ["nothing to remove"]),
        (["key", "nobody"], ["anthropic, openai"]),
        (["key", "openai"], ["No key was given"]),
        (["show", "ollama"], ["write ollama:MODEL"]),
        (["show", "opnai:gpt-5"], ["write openai:MODEL"]),
        (["use", "local"], ["write local:PATH"]),
        (["use", "local:nothing.gguf"], ["There is no file /"]),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in words), done.stderr


def test_the_default_outlives_the_command_and_the_environment_is_told_of(tmp_path: Path) -> None:
    assert "from now on" in run(tmp_path, "use", "claude-opus-4-8").stdout
    assert "already" in run(tmp_path, "use", "claude-opus-4-8").stdout
    done = run(tmp_path, "use", "gpt", ASSISTANT_CHAT__MODEL="claude")
    assert "says claude: unset it" in done.stderr
    assert tomllib.loads((tmp_path / "config.toml").read_text())["chat"]["model"] == "gpt"


def test_a_file_is_the_default_wherever_the_next_chat_opens(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf())
    assert "from now on" in run(tmp_path, "use", "local:m.gguf").stdout
    said = tomllib.loads((tmp_path / "config.toml").read_text())["chat"]["model"]
    assert said == f"local:{tmp_path}/m.gguf"
    shown = run(tmp_path, "show", said).stdout
    # Its template has no turns, and puts nothing where the answer begins.
    assert "note" in shown
    assert "rewrites earlier messages" in shown


def test_a_key_that_cannot_be_sent_is_said_and_no_accident(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[models.endpoints.mine]\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = "MINE_KEY"\n'
    )
    done = run(tmp_path, MINE_KEY="two words", OPENAI_API_KEY="a b")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the key in MINE_KEY cannot be sent" in done.stdout
    assert "the key in OPENAI_API_KEY holds odd characters" in done.stdout
    assert "needs a key" in run(tmp_path, "use", "claude").stderr
    assert "needs a key" not in run(tmp_path, "use", "gpt", OPENAI_API_KEY="sk-1").stderr


def test_settings_that_are_elsewhere_stay_there_and_private(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("[chat]\n")
    real.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").symlink_to(real)
    set_default(home, "m")
    assert (home / "config.toml").is_symlink()
    assert real.read_text() == '[chat]\nmodel = "m"\n'
    assert real.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[chat]\nmodel = "m"\n'),
        ("# mine\n[limits]\nsteps = 3", '# mine\n[limits]\nsteps = 3\n[chat]\nmodel = "m"\n'),
        (
            '[chat] # talk\nmode = "edits"\n  model = "x" # old\n[web]\nsearch = "ddgs"\n',
            '[chat] # talk\nmode = "edits"\n  model = "m"\n[web]\nsearch = "ddgs"\n',
        ),
        ('[chat]\nmode = "auto"\n', '[chat]\nmodel = "m"\nmode = "auto"\n'),
        ("[web]\nmodel = 1\n", '[web]\nmodel = 1\n[chat]\nmodel = "m"\n'),
    ],
)
def test_one_line_of_the_settings_changes(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "config.toml").write_text(before)
    set_default(tmp_path, "m")
    assert (tmp_path / "config.toml").read_text() == after


@pytest.mark.parametrize(
    "text", ['chat = {model = "x"}\n', '[chat]\nmodel = """\nx"""\n', "[chat\n", 'chat.model = "x"']
)
def test_settings_that_a_line_cannot_change_stay(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(Refused, match=r"Set it yourself in .*config\.toml"):
        set_default(tmp_path, "m")
    assert (tmp_path / "config.toml").read_text() == text


@given(
    st.lists(
        st.sampled_from(
            ["[chat]", "[web]", 'model = "a"', 'mode = "b"', "# model = 1", "", 'x = ["[chat]"]']
        )
    )
)
def test_whatever_the_settings_are_they_mean_the_same_otherwise(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    home = tmp_path_factory.getbasetemp()
    path, text = home / "config.toml", "\n".join(lines)
    path.write_text(text)
    try:
        set_default(home, "m")
    except Refused:
        assert path.read_text() == text
        return
    before, after = tomllib.loads(text), tomllib.loads(path.read_text())
    assert after.pop("chat") == {**before.pop("chat", {}), "model": "m"}
    assert after == before


def test_a_table_is_as_wide_as_the_screen_and_steers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = table("title", [("a\x1b[2J", "b", "long " * 20), ("cc", "b", "")], Style(False), 1)
    title, first, second = text.splitlines()
    assert title == "title"
    assert "\x1b" not in text
    assert len(first) == 40
    assert first.endswith("…")
    assert second == "* cc     b"
    assert table("none", [], Style(False)) == ""


def test_progress_has_a_rate_and_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    rate = Rate(Line(sys.stdout), "fetching")
    rate(0, 2_000_000_000)
    rate(2_000_000_000, 2_000_000_000)
    assert capsys.readouterr().out.splitlines()[-1] == "fetching  2.0 GB of 2.0 GB  100 %"


def test_help_has_examples() -> None:
    said = subprocess.check_output([COMMAND, "models", "--help"], env=dict(os.environ), text=True)
    for words in ("pull qwen-coder-1.5b", "key anthropic", "HF_ENDPOINT"):
        assert words in said
