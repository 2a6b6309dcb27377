"""Which tools a model gets, and what the user sees of those that ask or end a turn."""

import subprocess
from pathlib import Path

import pytest

from agent.store import Store
from assistant.student import make
from tests.assistant.terminal import COMMAND, Terminal, clean_environment, served
from tests.servers.model_server import ModelServer, Reply
from tests.servers.openai_server import events
from tools.registry import default_tools
from training.registry import Registry

Wire = dict[str, object]
COMPACT = [tool.name for tool in default_tools("compact")]
FULL = [tool.name for tool in default_tools("full")]


def call(name: str, **arguments: object) -> Wire:
    return {"name": name, "arguments": arguments}


def shown(server: ModelServer) -> list[str]:
    return [tool["function"]["name"] for tool in server.requests[0]["tools"]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def once(
    server: ModelServer, folder: Path, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    environment = {"ASSISTANT_HOME": str(folder.parent), **served(server.url), **environ}
    return subprocess.run(
        [COMMAND, "-p", "go", "--model", "openai:test", *arguments],
        env=clean_environment() | environment,
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("arguments", "names"), [((), FULL), (("compact",), COMPACT)])
def test_a_model_behind_an_endpoint_gets_all_unless_it_is_set(
    project: Path, arguments: tuple[str, ...], names: list[str]
) -> None:
    settings = [word for name in arguments for word in ("--set", f"chat.tools={name}")]
    with ModelServer(events, [Reply("Hello.")]) as server:
        done = once(server, project, *settings)
        assert done.returncode == 0, done.stderr
        assert shown(server) == names


def test_a_tool_state_lasts_and_finish_answers(project: Path) -> None:
    replies = [
        Reply("", [call("run_python", code="x = 41")]),
        Reply("", [call("run_python", code="x + 1")]),
        Reply("", [call("ask_user", question="Which?", options=["a", "b"])]),
        Reply("", [call("finish", answer="It is 42.")]),
    ]
    with ModelServer(events, replies) as server:
        done = once(server, project, "--mode", "auto")
        told = [str(request["messages"][-1]["content"]) for request in server.requests]
    assert done.returncode == 0, done.stderr
    assert done.stdout == "It is 42.\n"
    assert told[2] == "42\n[exit code 0]"
    assert "decide yourself" in told[3]
    assert len(told) == 4


def test_a_question_is_answered_at_the_prompt(project: Path, tmp_path: Path) -> None:
    replies = [
        Reply("", [call("ask_user", question="Which colour?", options=["red", "blue"])]),
        Reply("", [call("finish", answer="Blue it is.")]),
    ]
    with ModelServer(events, replies) as server:
        terminal = Terminal(project, tmp_path, "--model", "openai:test", **served(server.url))
        terminal.types("go\r")
        terminal.sees("Which colour?")
        terminal.sees("blue")
        terminal.types("2\r")
        terminal.sees("Blue it is.")
        assert terminal.leaves() == 0
        assert server.requests[1]["messages"][-1]["content"] == "blue"


def test_a_student_that_takes_over_goes_on_with_the_tools_it_knows(
    project: Path, tmp_path: Path
) -> None:
    make(Registry(tmp_path), "student", seed=0)
    with ModelServer(events, [Reply("Hello there.")]) as server:
        arguments = ("--model", "openai:test", "--set", "models.max_tokens=8")
        terminal = Terminal(project, tmp_path, *arguments, **served(server.url))
        terminal.types("hi\r")
        terminal.sees("Hello there.")
        terminal.types("/model student\r")
        terminal.sees("model: student")
        terminal.types("and you\r")
        terminal.sees("> and you")
        assert terminal.leaves() == 0
    store = Store(tmp_path / "episodes.db")
    first, second = sorted(store.episodes(), key=lambda episode: episode.id)
    store.close()
    assert [tool["function"]["name"] for tool in first.tools] == FULL
    assert [tool["function"]["name"] for tool in second.tools] == COMPACT
    assert second.messages[: len(first.messages)] == first.messages
    assert second.messages[len(first.messages)]["content"] == "and you"
