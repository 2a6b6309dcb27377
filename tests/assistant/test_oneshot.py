"""One answer for scripts, from the installed command to a local server."""

import json
import signal
import subprocess
import time
from pathlib import Path

from agent.store import Store
from assistant.student import make
from tests.assistant.terminal import COMMAND, clean_environment, served
from tests.servers.model_server import Fault, ModelServer, Reply
from tests.servers.openai_server import events
from training.registry import Registry

WRITE = {"name": "write_file", "arguments": {"path": "a.txt", "content": "hello\n"}}
REPLIES = [Reply("I write it.", [WRITE]), Reply("Done,\nas you see.")]


def run(
    server: ModelServer, folder: Path, *arguments: str, text: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "--model", "openai:test", *arguments],
        env=clean_environment() | {"ASSISTANT_HOME": str(folder / "home"), **served(server.url)},
        cwd=folder, input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_answer_goes_to_stdout_and_the_rest_to_stderr(tmp_path: Path) -> None:
    with ModelServer(events, REPLIES) as server:
        done = run(server, tmp_path, "-p", "write a.txt", "--mode", "edits")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "I write it.\nDone,\nas you see.\n"
    assert "write_file a.txt" in done.stderr
    assert (tmp_path / "a.txt").read_text() == "hello\n"


def test_what_nobody_can_approve_is_denied(tmp_path: Path) -> None:
    with ModelServer(events, REPLIES) as server:
        done = run(server, tmp_path, text="write a.txt\n")
        assert done.returncode == 0, done.stderr
        assert "nobody is there" in server.requests[1]["messages"][-1]["content"]
    assert not (tmp_path / "a.txt").exists()


def test_piped_text_follows_the_question(tmp_path: Path) -> None:
    with ModelServer(events, REPLIES) as server:
        run(server, tmp_path, "-p", "review this", text="+ x = 1\n")
        assert server.requests[0]["messages"][-1]["content"] == "review this\n\n+ x = 1\n"


def test_a_standard_input_that_stays_open_and_empty_is_not_waited_for(tmp_path: Path) -> None:
    with ModelServer(events, REPLIES) as server:
        process = subprocess.Popen(
            [COMMAND, "--model", "openai:test", "-p", "hello"],
            env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path), **served(server.url)},
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.communicate()


def test_json_is_one_object(tmp_path: Path) -> None:
    with ModelServer(events, REPLIES) as server:
        done = run(server, tmp_path, "--json", "--mode", "auto", "-p", "write a.txt")
    record = json.loads(done.stdout)
    assert (record["text"], record["stop"]) == ("Done,\nas you see.", "end")
    assert record["usage"]["output"] > 0
    assert "+hello" in record["diff"]
    store = Store(tmp_path / "home" / "episodes.db")
    assert store.episode(record["episode"]).stop == "end"
    store.close()


def test_a_model_that_cannot_answer_is_exit_code_1(tmp_path: Path) -> None:
    refused = Fault("status", status=401, body={"error": {"message": "wrong key"}})
    with ModelServer(events, REPLIES, {0: refused}) as server:
        done = run(server, tmp_path, "-p", "hello")
    assert done.returncode == 1
    assert "openai:test" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_130_and_what_was_said_is_kept(tmp_path: Path) -> None:
    with ModelServer(events, REPLIES, {0: Fault("silence", after=2)}) as server:
        process = subprocess.Popen(
            [COMMAND, "--model", "openai:test", "-p", "hello"],
            env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path), **served(server.url)},
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while not server.requests:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    store = Store(tmp_path / "episodes.db")
    (episode,) = store.episodes()
    store.close()
    assert (episode.stop, episode.messages[-1]["content"]) == ("interrupted", "hello")


def test_who_goes_on_is_told_that_the_shell_begins_anew(tmp_path: Path) -> None:
    def shell(command: str) -> Reply:
        return Reply("", [{"name": "shell", "arguments": {"command": command}}])

    replies = [shell("cd /tmp"), Reply("Done."), shell("pwd"), shell("pwd"), Reply("Done.")]
    with ModelServer(events, replies) as server:
        run(server, tmp_path, "--mode", "auto", text="go")
        run(server, tmp_path, "--mode", "auto", "--continue", text="go on")
        told = [str(server.requests[n]["messages"][-1]["content"]) for n in (1, 3, 4)]
    assert ["begins anew" in text for text in told] == [False, True, False]
    assert "/workspace\n" in told[2]


def test_what_the_student_computed_is_there_when_a_chat_goes_on(tmp_path: Path) -> None:
    make(Registry(tmp_path), "student", seed=0)

    def asked(text: str, *arguments: str) -> dict[str, int]:
        done = subprocess.run(
            [COMMAND, "--json", "--set", "models.max_tokens=8", *arguments, "-p", text],
            env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path)},
            cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return json.loads(done.stdout)["usage"]

    first = asked("hello")
    assert first["cached"] == 0
    # The usage of a conversation that goes on is that of both.
    both = asked("go on", "--continue")
    assert both["cached"] > 0.95 * first["input"]
    assert len(list((tmp_path / "cache" / "states").glob("*.state"))) == 1
