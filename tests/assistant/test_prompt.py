"""The prompt, fed through a pipe instead of a keyboard."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input

from assistant.completion import COMMANDS, Words
from assistant.prompt import CALM, Prompt


@dataclass
class Bench:
    """A prompt that runs, and what came of the keys."""

    prompt: Prompt
    keys: PipeInput
    entered: list[str] = field(default_factory=list[str])
    interrupted: int = 0

    def interrupt(self) -> None:
        self.interrupted += 1

    async def until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not happened():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def bench(
    folder: Path, early: str = "", start: Callable[[], Awaitable[None]] | None = None
) -> AsyncGenerator[Bench]:
    with create_pipe_input() as keys, create_app_session(input=keys):
        prompt = Prompt(folder / "history", Words(folder), lambda: "tail", lambda: "status")
        made = Bench(prompt, keys)
        prompt.entered, prompt.interrupted = made.entered.append, made.interrupt
        if early:
            keys.send_text(early)
        drawn = asyncio.Event()

        async def begin() -> None:
            drawn.set()
            if start:
                await start()

        running = asyncio.create_task(prompt.run(begin))
        try:
            async with asyncio.timeout(60):
                await drawn.wait()
                yield made
        finally:
            prompt.leave()
            await running


async def test_lines_are_entered_and_the_prompt_stays(tmp_path: Path) -> None:
    async with bench(tmp_path, early="typed too early\r") as made:
        made.keys.send_text("second\r\r   \r")
        await made.until(lambda: len(made.entered) == 2)
        assert made.entered == ["typed too early", "second"]
    assert "second" in (tmp_path / "history").read_text()


async def test_a_history_that_cannot_be_used_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    async with bench(tmp_path) as made:
        made.keys.send_text("one\rtwo\r")
        await made.until(lambda: len(made.entered) == 2)
        # What was entered can be had again once the history is loaded, a moment later.
        while made.prompt.text != "one":
            made.keys.send_text("\x1b[A")
            await asyncio.sleep(0.05)
        made.keys.send_text("\r")
        await made.until(lambda: len(made.entered) == 3)
    assert made.entered == ["one", "two", "one"]


async def test_half_characters_are_replaced(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.keys.send_bytes(b"caf\xe9 \xff\r")
        await made.until(lambda: made.entered)
    assert made.entered == ["caf? ?"]
    assert "caf? ?" in (tmp_path / "history").read_text()


async def test_several_lines_by_paste_and_by_alt_enter(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.keys.send_text("\x1b[200~a\nb\x1b[201~\r")
        made.keys.send_text("c\x1b\rd\r")
        await made.until(lambda: len(made.entered) == 2)
        assert made.entered == ["a\nb", "c\nd"]


async def test_ctrl_c_clears_what_was_typed_first_and_interrupts_then(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.keys.send_text("typed\x03\x03ok\r")
        await made.until(lambda: made.entered)
        assert (made.entered, made.interrupted) == (["ok"], 1)


async def test_a_question_takes_its_keys_alone_and_keeps_what_was_typed(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.keys.send_text("half a sen")
        await made.until(lambda: made.prompt.text == "half a sen")
        await asyncio.sleep(CALM + 0.1)
        asked = asyncio.create_task(made.prompt.choose("really?", "yn"))
        await asyncio.sleep(0)
        made.keys.send_text("x\r\t\x1b[Ay")
        assert await asked == ("y", "")
        made.keys.send_text("tence\r")
        await made.until(lambda: made.entered)
        assert made.entered == ["half a sentence"]


async def test_a_key_typed_in_the_flow_of_a_text_is_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path) as made:
        made.keys.send_text("wh")
        await made.until(lambda: made.prompt.text == "wh")
        asked = asyncio.create_task(made.prompt.choose("delete everything?", "yn"))
        await asyncio.sleep(0.05)
        made.keys.send_text("y")
        await asyncio.sleep(0.1)
        assert not asked.done()
        # Nobody can read what cannot be answered yet.
        assert "delete" not in capsys.readouterr().out
        seen = ""
        async with asyncio.timeout(60):
            while "delete everything?" not in seen:
                await asyncio.sleep(0.01)
                seen += capsys.readouterr().out
        made.keys.send_text("n")
        assert await asked == ("n", "")


async def test_a_line_that_follows_a_key_is_whole(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        asked = asyncio.create_task(made.prompt.choose("really?", "yn", {"n": "why not?"}))
        await asyncio.sleep(0)
        made.keys.send_text("nyes, but later\r")
        assert await asked == ("n", "yes, but later")
        assert made.entered == []


async def test_a_question_that_is_cancelled_leaves_the_prompt_as_it_was(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        asked = asyncio.create_task(made.prompt.choose("really?", "yn"))
        await asyncio.sleep(0)
        made.keys.send_text("\x03")
        await made.until(lambda: made.interrupted)
        asked.cancel()
        await asyncio.wait([asked])
        made.keys.send_text("yes\r")
        await made.until(lambda: made.entered)
        assert made.entered == ["yes"]


async def test_what_is_printed_stands_above(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path) as made:
        made.prompt.print("one\ntwo\n")
        await asyncio.sleep(0.05)
    out = capfd.readouterr().out
    assert "one\r\ntwo\r\n" in out
    assert out.index("tail") < out.index("one\r\n") < out.rindex("tail")


async def test_long_notices_are_broken_between_words(tmp_path: Path) -> None:
    path = f"`{'x' * 90}`"
    text = f"{'some words ' * 12}{path} follow\n\n  short"
    async with bench(tmp_path) as made:
        folded = made.prompt.folded(text)
    assert folded.split() == text.split()
    assert [line for line in folded.splitlines() if len(line) > 80] == [path]
    assert folded.endswith("\n\n  short")


async def test_a_paste_stays_one_text_while_answers_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path) as made:
        made.prompt.print("above\n")
        before, _, _ = capsys.readouterr().out.rpartition("above")
    assert before.rindex("\x1b[?2004h") > before.rindex("\x1b[?2004l")


async def test_an_error_while_loading_ends_it(tmp_path: Path) -> None:
    with create_pipe_input() as keys, create_app_session(input=keys):
        prompt = Prompt(tmp_path / "history", Words(tmp_path), str, str)

        async def fail() -> None:
            prompt.leave(LookupError("no such model"))

        with pytest.raises(LookupError, match="no such model"):
            await prompt.run(fail)


@pytest.mark.parametrize(
    ("text", "completions"),
    [
        ("/mo", ["/model", "/mode"]),
        ("/", list(COMMANDS)),
        ("/co", ["/context", "/compact"]),
        ("fix cal", ["calc.py"]),
        ("fix pack", ["package/"]),
        ("fix package/o", ["one.py"]),
        ("fix ", ["calc.py", "package/"]),
        ("fix .h", [".hidden"]),
        ("fix nowhere/x", []),
        ("", ["calc.py", "package/"]),
    ],
)
def test_completion(tmp_path: Path, text: str, completions: list[str]) -> None:
    (tmp_path / "package").mkdir()
    for name in ["calc.py", ".hidden", "package/one.py"]:
        (tmp_path / name).touch()
    found = Words(tmp_path).get_completions(Document(text, len(text)), CompleteEvent())
    assert [completion.text for completion in found] == completions
