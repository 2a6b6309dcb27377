"""What a session stands on, by the installed command: network, copies, and no sandbox at all."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assistant.terminal import COMMAND, Terminal, clean_environment, served
from tests.servers.model_server import ModelServer, Reply
from tests.servers.openai_server import events
from tests.servers.web_server import Answer, WebServer

Wire = dict[str, object]


def call(name: str, **arguments: str) -> Wire:
    return {"name": name, "arguments": arguments}


EDIT = [
    Reply("", [call("write_file", path="a.txt", content="new\n")]),
    Reply("", [call("shell", command="echo made > b.txt; cat a.txt")]),
    Reply("Done."),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.txt").write_text("old\n")
    return folder


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/page": Answer(b"it is forty-two", "text/plain")}) as server:
        yield server


def once(
    server: ModelServer,
    folder: Path,
    *arguments: str,
    mode: str = "auto",
    stdout: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    environment = {"ASSISTANT_HOME": str(folder.parent / "home"), **served(server.url)}
    return subprocess.run(
        [COMMAND, "-p", "go", "--model", "openai:test", "--mode", mode, *arguments],
        env=clean_environment() | environment,
        cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip


def observed(server: ModelServer, turn: int) -> str:
    """What the model was told of its last call before its answer number `turn`."""
    return str(server.requests[turn]["messages"][-1]["content"])


def tools(server: ModelServer) -> set[str]:
    return {tool["function"]["name"] for tool in server.requests[0]["tools"]}


def test_a_copy_is_changed_and_the_folder_is_not(project: Path) -> None:
    with ModelServer(events, EDIT) as server:
        done = once(server, project, "--isolate")
        assert "new" in observed(server, 2)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in project.iterdir()} == {"a.txt"}
    assert (project / "a.txt").read_text() == "old\n"
    patch = done.stderr.split("git apply ")[1].strip()
    subprocess.run(["git", "apply", patch], cwd=project, check=True)
    assert (project / "a.txt").read_text() == "new\n"
    assert (project / "b.txt").read_text() == "made\n"


def test_a_copy_is_shown_and_applied(project: Path, tmp_path: Path) -> None:
    with ModelServer(events, EDIT) as server:
        arguments = ("--model", "openai:test", "--mode", "auto", "--isolate")
        terminal = Terminal(project, tmp_path, *arguments, **served(server.url))
        terminal.sees("a copy")
        terminal.types("go\r")
        terminal.sees("Done.")
        terminal.types("/diff\r")
        terminal.sees("-old")
        terminal.sees("+new")
        assert (project / "a.txt").read_text() == "old\n"
        terminal.types("/apply\r")
        terminal.sees("applied: a.txt, b.txt")
        assert (project / "a.txt").read_text() == "new\n"
        terminal.types("/diff\r")
        terminal.sees("nothing has changed")
        assert terminal.leaves() == 0
    assert not (tmp_path / "unapplied").exists()


def test_leaving_a_copy_says_where_its_changes_are(project: Path, tmp_path: Path) -> None:
    with ModelServer(events, EDIT) as server:
        arguments = ("--model", "openai:test", "--mode", "auto", "--isolate")
        terminal = Terminal(project, tmp_path, *arguments, **served(server.url))
        terminal.types("go\r")
        terminal.sees("Done.")
        terminal.types("\x04")
        terminal.sees("not applied to your folder; they are kept: git apply")
        terminal.child.wait()
    (kept,) = (tmp_path / "unapplied").iterdir()
    assert "+new" in (kept / "changes.patch").read_text()


def test_what_was_changed_in_a_copy_is_kept_where_nobody_reads_the_answer(
    project: Path, tmp_path: Path
) -> None:
    with ModelServer(events, EDIT) as server:
        reader, writer = os.pipe()
        os.close(reader)
        done = once(server, project, "--isolate", stdout=writer)
        os.close(writer)
    assert "git apply" in done.stderr
    assert "Traceback" not in done.stderr
    (kept,) = (tmp_path / "home" / "unapplied").iterdir()
    assert "+new" in (kept / "changes.patch").read_text()


def test_a_folder_that_is_gone_is_told_in_a_sentence(project: Path, tmp_path: Path) -> None:
    with ModelServer(events, EDIT) as server:
        arguments = ("--model", "openai:test", "--mode", "auto", "--isolate")
        terminal = Terminal(project, tmp_path, *arguments, **served(server.url))
        terminal.sees("a copy")
        shutil.rmtree(project)
        for line in ("go", "/apply"):
            terminal.types(f"{line}\r")
            terminal.sees("is not there any more")
        assert terminal.leaves() == 0
        assert server.requests == []


def test_there_is_nothing_to_apply_in_the_folder_itself(project: Path, tmp_path: Path) -> None:
    with ModelServer(events, []) as server:
        terminal = Terminal(project, tmp_path, "--model", "openai:test", **served(server.url))
        terminal.types("/apply\r")
        terminal.sees("start with --isolate")
        assert terminal.leaves() == 0


def test_commands_reach_what_is_allowed_and_refusals_are_seen(
    project: Path, web: WebServer
) -> None:
    replies = [
        Reply("", [call("shell", command=f"curl -sS {web.url}/page")]),
        Reply("", [call("shell", command="curl -sS https://evil.example/")]),
        Reply("I cannot reach it."),
    ]
    with ModelServer(events, replies) as server:
        done = once(server, project, "--allow", web.place)
        assert "it is forty-two" in observed(server, 1)
        assert "No connection to evil.example:443" in observed(server, 2)
        assert "--allow evil.example" in observed(server, 2)
    assert done.returncode == 0, done.stderr
    assert "No connection to evil.example:443" in done.stderr


def test_without_a_network_nothing_is_reached_or_offered(project: Path, web: WebServer) -> None:
    replies = [
        Reply("", [call("shell", command=f"curl -sS -m 5 {web.url}/page")]),
        Reply("", [call("web_fetch", url=f"{web.url}/page")]),
        Reply("No."),
    ]
    with ModelServer(events, replies) as server:
        once(server, project)
        assert not {"web_fetch", "web_search"} & tools(server)
        assert "exit code" in observed(server, 1)
        assert "There is no tool web_fetch" in observed(server, 2)
    assert web.requests == []


@pytest.mark.parametrize(("mode", "reached"), [("auto", True), ("edits", False), ("ask", False)])
def test_the_web_is_read_after_a_yes(
    project: Path, web: WebServer, mode: str, reached: bool
) -> None:
    replies = [Reply("", [call("web_fetch", url=f"{web.url}/page")]), Reply("Well.")]
    with ModelServer(events, replies) as server:
        once(server, project, "--allow", web.place, mode=mode)
        assert {"web_fetch", "web_search"} & tools(server) == {"web_fetch"}
        expected = "it is forty-two" if reached else "nobody is there to approve it"
        assert expected in observed(server, 1)
    assert bool(web.requests) == reached


def test_searching_is_offered_where_it_is_set(project: Path) -> None:
    found = {"results": [{"title": "T", "url": "http://t.example/", "content": "about"}]}
    pages = {"/search": Answer(json.dumps(found).encode(), "application/json")}
    replies = [Reply("", [call("web_search", query="what")]), Reply("Well.")]
    with WebServer(pages) as engine, ModelServer(events, replies) as server:
        once(server, project, "--set", f"web.search={engine.url}")
        assert {"web_fetch", "web_search"} & tools(server) == {"web_search"}
        assert "http://t.example/" in observed(server, 1)


def test_a_domain_is_allowed_while_the_session_runs(project: Path, tmp_path: Path) -> None:
    replies = [Reply("", [call("shell", command="curl http://no.example/")]), Reply("Done.")]
    with ModelServer(events, replies) as server:
        arguments = ("--model", "openai:test", "--mode", "ask", "--allow", "example.org")
        terminal = Terminal(project, tmp_path, *arguments, **served(server.url))
        # Typed before anything is loaded: a key too soon after it would not count as a yes.
        terminal.types("go\r")
        terminal.sees("y yes")
        terminal.types("y")
        terminal.sees("No connection to no.example:80")
        terminal.sees("Done.")
        terminal.types("/allow no.example\r")
        terminal.sees("allowed: no.example")
        terminal.sees("network: 2 allowed")
        terminal.types("/allow\r")
        terminal.sees("allowed: example.org, no.example")
        terminal.types("/allow localhost:80\r")
        terminal.sees("can only be allowed from the start")
        terminal.types("/allow *\r")
        terminal.sees("Cannot allow")
        assert terminal.leaves() == 0


def test_without_a_sandbox_it_is_said_all_the_time(project: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("of the user")
    replies = [Reply("", [call("shell", command=f"cat {secret}")]), Reply("I saw it.")]
    with ModelServer(events, replies) as server:
        sandboxed = once(server, project)
        assert "of the user" not in observed(server, 1)
        assert "NO SANDBOX" not in sandboxed.stderr
    with ModelServer(events, replies) as server:
        arguments = ("--model", "openai:test", "--mode", "auto", "--dangerously-without-sandbox")
        terminal = Terminal(project, tmp_path, *arguments, **served(server.url), NO_COLOR="")
        terminal.sees("NO SANDBOX: commands may do all that you may do")
        terminal.types("go\r")
        terminal.sees("I saw it.")
        terminal.sees("NO SANDBOX: commands may do all that you may do")
        terminal.sees("NO SANDBOX")
        assert terminal.leaves() == 0
        assert "of the user" in observed(server, 1)


def test_nothing_changes_our_settings_where_they_lie_in_the_folder(project: Path) -> None:
    home = project / "deep/home"
    home.mkdir(parents=True)
    settings = home / "config.toml"
    settings.write_text("[chat]\n")
    attack = "echo x >> deep/home/config.toml; mv deep away; ls deep/home"
    script = [
        Reply("", [call("shell", command=attack)]),
        Reply("", [call("write_file", path="x/../deep/home/config.toml", content="evil")]),
        Reply("Done."),
    ]
    with ModelServer(events, script) as server:
        environment = {"ASSISTANT_HOME": str(home), **served(server.url)}
        subprocess.run(
            [COMMAND, "-p", "go", "--model", "openai:test", "--mode", "auto"],
            env=clean_environment() | environment, cwd=project, stdin=subprocess.DEVNULL,
            capture_output=True, check=True,
        )  # fmt: skip
        assert "config.toml" in observed(server, 1)
        assert "only the user changes" in observed(server, 2)
    assert settings.read_text() == "[chat]\n"
