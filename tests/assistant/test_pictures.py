"""Pictures that the user names go to the model: the unit, the command, and the terminal."""

import base64
import json
import os
from pathlib import Path

import pytest

from agent.models.scripted import ScriptedModel
from agent.store import Store
from assistant.pictures import MOST, named, visible
from sandbox.refused import Refused
from tests.assistant.terminal import Terminal, served
from tests.assistant.test_oneshot import run
from tests.servers.model_server import ModelServer, Reply
from tests.servers.openai_server import events

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
OTHERS = {
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF1234WEBP",
}


def shown(data: bytes) -> dict[str, object]:
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def test_what_a_file_holds_makes_it_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "no suffix").write_bytes(PNG)
    text = f'See @a.png, @"no suffix" and (@a.png), then @{tmp_path}/a.png.'
    found = named(text, tmp_path)
    assert list(found) == ["a.png", "no suffix", f"{tmp_path}/a.png"]
    assert found["a.png"] == {
        "media_type": "image/png",
        "data": base64.b64encode(PNG).decode(),
    }
    for kind, start in OTHERS.items():
        (tmp_path / "b").write_bytes(start)
        assert named("@b", tmp_path)["b"]["media_type"] == kind


@pytest.mark.parametrize(
    "text",
    ["me@host.png", "@property", "@code.py", "@", "@.", "@/", "@~nobody/x", '@"a\0b"', "@pipe"],
)
def test_what_names_no_picture(tmp_path: Path, text: str) -> None:
    (tmp_path / "code.py").write_text("x = 1\n")
    os.mkfifo(tmp_path / "pipe")
    assert named(text, tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@gone.png", "There is no picture gone.png: check the path"),
        ("@text.png", "text.png is no PNG, JPEG, GIF or WebP picture: convert it"),
        ("@large.png", "The picture large.png is larger than 3.9 MB"),
        ("@1.png @2.png @3.png @4.png", "larger than 15 MB together: name fewer"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "text.png").write_text("no")
    (tmp_path / "large.png").write_bytes(PNG + bytes(MOST))
    for n in range(1, 5):
        (tmp_path / f"{n}.png").write_bytes(PNG + bytes(MOST - 100))
    with pytest.raises(Refused) as raised:
        named(text, tmp_path)
    assert words in str(raised.value)


def test_who_sees() -> None:
    class Blind(ScriptedModel):
        sees = False

    class Wrapper(ScriptedModel):
        inner = Blind([])

    assert visible(ScriptedModel([]))
    assert not visible(Blind([]))
    assert not visible(Wrapper([]))


def test_a_question_takes_a_picture_along(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG + b"secret")
    with ModelServer(events, [Reply("A duck.")]) as server:
        done = run(server, tmp_path, "--json", "-p", "what is @a.png?", text="@secret.png\n")
    assert done.returncode == 0, done.stderr
    asked = {"type": "text", "text": "what is @a.png?\n\n@secret.png\n"}
    assert server.requests[0]["messages"][-1]["content"] == [asked, shown(PNG)]
    store = Store(tmp_path / "home" / "episodes.db")
    steps = store.episode(json.loads(done.stdout)["episode"]).steps
    store.close()
    images = [step.message.get("images") for step in steps]
    data = base64.b64encode(PNG).decode()
    assert images == [None, [{"media_type": "image/png", "data": data}], None]


def test_a_picture_that_is_not_there(tmp_path: Path) -> None:
    with ModelServer(events, [Reply("A duck.")]) as server:
        done = run(server, tmp_path, "-p", "what is @a.png?")
        assert not server.requests
    assert done.returncode == 2
    assert "There is no picture a.png" in done.stderr


def test_a_picture_in_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "duck.png").write_bytes(PNG)
    with ModelServer(events, [Reply("A duck.")]) as server:
        home = tmp_path / "home"
        terminal = Terminal(tmp_path, home, "--model", "openai:test", **served(server.url))
        terminal.sees("openai:test ·")
        terminal.types("what is @du\t")
        # What was typed may be drawn before what completes it.
        terminal.sees("ck.png")
        terminal.types("?\r")
        terminal.sees("with duck.png")
        terminal.sees("A duck.")
        terminal.types("and @gone.png?\r")
        terminal.sees("There is no picture gone.png")
        assert terminal.leaves() == 0
        assert server.requests[0]["messages"][-1]["content"][1] == shown(PNG)
        assert len(server.requests) == 1
