"""The installed command, driven in a terminal against a local server with OpenAI's protocol."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.store import Store
from assistant.student import make
from tests.assistant.terminal import Terminal, served
from tests.servers.model_server import Fault, ModelServer, Reply
from tests.servers.openai_server import events
from training.registry import Registry

Wire = dict[str, object]

BROKEN = "def add(a, b):\n    return a - b\n"
TEST = "from calc import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"


def call(name: str, **arguments: str) -> Wire:
    return {"name": name, "arguments": arguments}


FIX = [
    Reply("I read the code.", [call("read_file", path="calc.py")]),
    Reply("It subtracts.", [call("edit_file", path="calc.py", old="a - b", new="a + b")]),
    Reply("Now the tests.", [call("shell", command="python -m pytest -q")]),
    Reply("Fixed: add() adds now."),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "calc.py").write_text(BROKEN)
    (folder / "test_calc.py").write_text(TEST)
    return folder


def test_a_fix_is_asked_for_shown_approved_and_tested(project: Path, tmp_path: Path) -> None:
    with ModelServer(events, FIX) as server:
        terminal = Terminal(project, tmp_path, "--model", "openai:test", **served(server.url))
        # Typed before anything is drawn or loaded.
        terminal.types("add() is wrong, fix it\r")
        terminal.sees("read_file calc.py")
        terminal.sees("-    return a - b")
        terminal.sees("+    return a + b")
        terminal.sees("y yes")
        assert (project / "calc.py").read_text() == BROKEN
        terminal.types("y")
        terminal.sees("$ python -m pytest -q")
        assert (project / "calc.py").read_text() == BROKEN.replace("-", "+")
        terminal.sees("y yes")
        terminal.types("y")
        terminal.sees("1 passed")
        terminal.sees("Fixed: add() adds now.")
        terminal.sees("prefix 50%")
        terminal.types("/diff\r")
        terminal.sees("+    return a + b")
        assert terminal.leaves() == 0
    store = Store(tmp_path / "episodes.db")
    (episode,) = store.episodes()
    store.close()
    assert (episode.stop, episode.model) == ("end", "openai:test")
    assert "+    return a + b" in episode.diff


def test_no_takes_a_reason_and_always_asks_no_more(project: Path, tmp_path: Path) -> None:
    replies = [
        Reply("", [call("shell", command="rm calc.py")]),
        Reply("", [call("shell", command="echo first")]),
        Reply("", [call("shell", command="echo second")]),
        Reply("", [call("web_fetch", url="http://localhost:1/")]),
        Reply("All done."),
        Reply("", [call("shell", command="echo third")]),
        Reply("Bye."),
    ]
    with ModelServer(events, replies) as server:
        arguments = ("--model", "openai:test", "--allow", "localhost:1")
        terminal = Terminal(project, tmp_path, *arguments, **served(server.url))
        terminal.types("go\r")
        terminal.sees("$ rm calc.py")
        terminal.sees("y yes")
        terminal.types("nI need it\r")
        terminal.sees("$ echo first")
        terminal.sees("y yes")
        terminal.types("a")
        terminal.sees("mode: edits + run (/mode ask takes it back)")
        terminal.sees("→ http://localhost:1/")
        terminal.sees("y yes")
        terminal.types("n\r")
        terminal.sees("All done.")
        terminal.types("/mode ask\r")
        terminal.sees("mode: ask")
        terminal.types("more\r")
        terminal.sees("$ echo third")
        terminal.sees("y yes")
        terminal.types("y")
        terminal.sees("Bye.")
        assert terminal.leaves() == 0
        denied = server.requests[1]["messages"][-1]["content"]
        assert "did not allow this: I need it" in denied
    assert (project / "calc.py").exists()


def test_interrupting_a_turn_keeps_the_session(project: Path, tmp_path: Path) -> None:
    replies = [Reply("Hm.\nI think and think"), Reply("Here again.")]
    with ModelServer(events, replies, {0: Fault("silence", after=3)}) as server:
        terminal = Terminal(project, tmp_path, "--model", "openai:test", **served(server.url))
        terminal.types("think\r")
        wait_for(lambda: len(server.requests) == 1)
        terminal.sees("Hm.")
        terminal.types("\x03")
        terminal.sees("interrupted")
        server.replies = [Reply("Here again."), Reply("Here again.")]
        terminal.types("still there?\r")
        terminal.sees("Here again.")
        said = [message["content"] for message in server.requests[1]["messages"]]
        # Both in one message: many chat templates refuse two of the user in a row.
        assert said[1:] == ["think\n\nstill there?"]
        assert terminal.leaves() == 0


def test_commands_that_waited_outlive_an_interrupted_turn(project: Path, tmp_path: Path) -> None:
    with ModelServer(events, [Reply("Hm.\nHm.")], {0: Fault("silence", after=3)}) as server:
        terminal = Terminal(
            project, tmp_path, "--model", "openai:test", "--mode", "auto", **served(server.url)
        )
        terminal.types("think\r")
        terminal.sees("Hm.")
        terminal.types("and more\r/mode ask\r")
        terminal.sees("> /mode ask")
        terminal.types("\x03")
        terminal.sees("interrupted, 1 waiting not sent")
        terminal.sees("mode: ask")
        assert terminal.leaves() == 0
        assert len(server.requests) == 1


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_chat_is_made_shorter_by_hand_and_goes_on_so(project: Path, tmp_path: Path) -> None:
    replies = [Reply("I read. " * 400, [call("read_file", path="calc.py")]), *FIX[3:], *FIX[3:]]
    with ModelServer(events, replies) as server:
        start = ("--model", "openai:test", "--mode", "auto")
        terminal = Terminal(project, tmp_path, *start, **served(server.url))
        terminal.types("fix it\r")
        terminal.sees("Fixed: add() adds now.")
        terminal.types("/context\r")
        terminal.sees(" tokens; its window is unknown")
        terminal.types("/compact\r")
        terminal.sees(" tokens instead of ")
        assert terminal.leaves() == 0
        terminal = Terminal(project, tmp_path, *start, "--continue", **served(server.url))
        terminal.sees("You last asked: fix it\r")
        terminal.types("and now?\r")
        terminal.sees("Fixed: add() adds now.")
        assert terminal.leaves() == 0
        said = [message["content"] for message in server.requests[-1]["messages"]]
    assert said[1].startswith("fix it\n\n[To make room, 2 earlier messages")
    assert said[2:] == ["Fixed: add() adds now.", "and now?"]


def test_the_last_chat_goes_on(project: Path, tmp_path: Path) -> None:
    replies = [Reply("Nice to meet you."), Reply("You are Ada.")]
    with ModelServer(events, replies) as server:
        arguments = ("--model", "openai:test", "-p")
        first = Terminal(project, tmp_path, *arguments, "I am Ada.", **served(server.url))
        first.sees("Nice to meet you.")
        first.child.wait()
        second = Terminal(
            project, tmp_path, "--continue", *arguments, "Who am I?", **served(server.url)
        )
        second.sees("You are Ada.")
        second.child.wait()
        assert server.requests[1]["messages"][:3] == server.requests[0]["messages"] + [
            {"role": "assistant", "content": "Nice to meet you."}
        ]


def test_a_model_that_does_not_exist_ends_the_chat_with_a_sentence(
    project: Path, tmp_path: Path
) -> None:
    terminal = Terminal(project, tmp_path, "--model", "nonsense")
    terminal.sees("assistant: There is no model 'nonsense'")
    terminal.child.wait()
    assert terminal.child.exitstatus == 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two untrained students, `student` being the active one."""
    folder = tmp_path_factory.mktemp("home")
    registry = Registry(folder)
    make(registry, "student", seed=0)
    make(registry, "other", seed=1)
    return folder


def test_another_version_is_swapped_in_while_the_chat_runs(project: Path, home: Path) -> None:
    registry = Registry(home)
    terminal = Terminal(project, home, "--set", "models.max_tokens=8", "--mode", "auto")
    terminal.sees("This student is untrained")
    registry.promote("other")
    terminal.types("hello\r")
    terminal.sees("the student is now version other (swapped in ")
    registry.rollback()
    terminal.types("hello again\r")
    terminal.sees("the student is now version student (swapped in ")
    assert terminal.leaves() == 0


def test_a_teacher_takes_over_after_a_yes_and_by_hand(project: Path, tmp_path: Path) -> None:
    again = [Reply("", [call("list_files")])] * 9
    taught = [*again[:2], Reply("", [call("read_file", path="calc.py")]), Reply("It subtracts.")]
    with ModelServer(events, again) as server, ModelServer(events, [*taught, Reply("Yes.")]) as big:
        (tmp_path / "config.toml").write_text(
            f'[models.endpoints.there]\nbase_url = "{big.url}/v1"\n[escalation]\ncost = 0.5\n'
        )
        arguments = ("--model", "openai:test", "--teacher", "there:big")
        free = ("--set", "escalation.cost=none")
        terminal = Terminal(project, tmp_path, *arguments, *free, **served(server.url))
        terminal.types("what is wrong?\r")
        terminal.sees("openai:test asked for the same 2 times running. May there:big take over")
        terminal.sees("1-2 or o")
        terminal.types("1")
        terminal.sees("there:big takes over until the end of the turn")
        terminal.sees("openai:test → there:big")
        terminal.sees("It subtracts.")
        terminal.types("/escalate claude\r")
        terminal.sees("There is no key for anthropic:")
        terminal.types("/escalate\r")
        terminal.sees("there:big drives the next turn")
        terminal.types("really?\r")
        terminal.sees("openai:test hands over, as you wanted")
        terminal.sees("Yes.")
        assert terminal.leaves() == 0
        # In place: the teacher sees what the student has done.
        assert big.requests[0]["messages"] == [
            *server.requests[-1]["messages"],
            *big.requests[0]["messages"][-2:],
        ]
    store = Store(tmp_path / "episodes.db")
    (episode,) = store.episodes()
    store.close()
    made = [step.model for step in episode.steps if step.message["role"] == "assistant"]
    assert made == ["", "", *["there:big"] * 3]
    assert [step.corrects for step in episode.steps if step.repair == "teacher"] == [4]
