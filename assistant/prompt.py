"""The prompt at the bottom of the terminal: it stays while answers scroll by above it.

What is typed while a turn runs is kept for the next one. Loaded by the chat alone.
"""

import asyncio
import os
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.utils import get_cwidth

from assistant.reflow import ReflowingOutput

TAIL_ROWS = 8
"""Most rows of an unfinished line that are shown."""

CALM = 0.7
"""Seconds: a key that follows this fast on typing was meant for the text, not for a question."""


_MOMENT = 0.01
"""Seconds: clocks are not exact."""


class _History(FileHistory):
    """Lives on in memory where its file cannot be read or written; a full disk ends no chat."""

    def load_history_strings(self) -> Iterable[str]:
        try:
            yield from super().load_history_strings()
        except OSError:
            return

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            # What people type is nobody else's.
            Path(os.fsdecode(self.filename)).touch(0o600)
            super().store_string(string)


@dataclass
class _Question:
    text: str
    keys: str
    more: Mapping[str, str]
    """Key to a second question, which a line of text answers."""
    answer: "asyncio.Future[tuple[str, str]]"
    opens: float
    """When keys begin to count, on the monotonic clock."""
    key: str = ""
    """The key that was pressed."""


class Prompt:
    """One line editor for the whole session, and the only one who writes to the terminal."""

    def __init__(
        self,
        history: Path,
        completer: Completer,
        tail: Callable[[], str],
        status: Callable[[], str],
    ) -> None:
        """`tail` and `status` are asked at every repaint; their text must be neutral."""
        history.parent.mkdir(parents=True, exist_ok=True)
        # No cursor position requests: terminals without them would show a warning.
        output = ReflowingOutput(sys.stdout, _size, os.environ.get("TERM"), enable_cpr=False)
        self._tail, self._status = tail, status
        self._question: _Question | None = None
        self._typed = 0.0
        self._session: PromptSession[str] = PromptSession(
            self._message,
            multiline=True,
            completer=completer,
            complete_while_typing=False,
            history=_History(str(history)),
            key_bindings=self._bindings(),
            prompt_continuation="  ",
            erase_when_done=True,
            output=output,
        )
        self._session.app.after_render += output.note
        self._session.default_buffer.on_text_insert += self._note_typing
        self.alarm: Callable[[], str] = lambda: ""
        """Asked at every repaint; shown in red above the rest while it is not empty."""
        self.entered: Callable[[str], None] = lambda text: None
        self.interrupted: Callable[[], None] = lambda: None

    async def run(self, start: Callable[[], Awaitable[None]]) -> None:
        """Show the prompt until the user leaves; `start` begins once it has been drawn."""

        def begin() -> None:
            self._session.app.create_background_task(_awaited(start))

        try:
            with patch_stdout(raw=True):
                await self._session.prompt_async(pre_run=begin, handle_sigint=False)
        except EOFError:
            return

    def leave(self, error: BaseException | None = None) -> None:
        """End `run`, which raises `error` if there is one."""
        if not self._session.app.is_running:
            return
        if error:
            self._session.app.exit(exception=error)
        else:
            self._session.app.exit(result="")

    def print(self, text: str) -> None:
        """Show whole lines above the prompt. Their text must be neutral but for our own colours."""
        app = self._session.app
        if not app.is_running:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        app.renderer.erase()
        # Erasing ends it, and each line of what is pasted before the repaint would be entered.
        app.output.enable_bracketed_paste()
        # The terminal is in raw mode: a newline does not return the carriage.
        app.output.write_raw(text.replace("\n", "\r\n"))
        app.output.flush()
        app.invalidate()

    def folded(self, text: str) -> str:
        """Lines that are wider than the terminal is now, broken between words."""
        width = max(self._session.app.output.get_size().columns, 20)
        return "\n".join(_fold(line, width) for line in text.split("\n"))

    @property
    def text(self) -> str:
        """What stands in the line and is not entered yet."""
        return self._session.default_buffer.text

    def redraw(self) -> None:
        """Ask `tail` and `status` again."""
        self._session.app.invalidate()

    async def choose(
        self, text: str, keys: str, more: Mapping[str, str] | None = None
    ) -> tuple[str, str]:
        """Ask a question that one of `keys` answers; what was being typed is kept.

        It is shown once its keys count. A key in `more` asks for a line of text as well. Returns
        the key and that line.
        """
        buffer = self._session.default_buffer
        kept, now = buffer.document, time.monotonic()
        buffer.reset()
        opens = now + CALM if now - self._typed < CALM else now
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, str]] = loop.create_future()
        self._question = _Question(text, keys, more or {}, answer, opens)
        self.redraw()
        loop.call_later(opens - now + _MOMENT, self.redraw)
        try:
            return await answer
        finally:
            self._question = None
            buffer.reset(kept)
            self._typed = 0.0
            self.redraw()

    def _note_typing(self, _: object) -> None:
        self._typed = time.monotonic()

    def _message(self) -> StyleAndTextTuples:
        rows = self._session.output.get_size()
        # A question says itself which call waits for it.
        tail = "" if self._question else self._tail()
        shown: StyleAndTextTuples = [
            ("", row + "\n") for row in _wrapped(tail, rows.columns - 1)[-TAIL_ROWS:]
        ]
        alarm = _wrapped(self.alarm(), rows.columns - 1)[:1]
        shown += [("bold fg:ansired", row + "\n") for row in alarm]
        if self._question:
            counts = time.monotonic() >= self._question.opens
            return [*shown, ("bold", self._question.text + " " if counts else "… ")]
        status = _wrapped(self._status(), rows.columns - 1)[:1]
        return [*shown, *(("fg:ansibrightblack", row + "\n") for row in status), ("bold", "> ")]

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        choosing = Condition(lambda: self._question is not None and not self._question.key)
        bindings.add("enter")(self._enter)
        bindings.add("escape", "enter")(_new_line)
        # Eager, or a question would take it for one of its keys.
        bindings.add("c-c", eager=True)(self._interrupt)
        bindings.add("c-d", filter=~choosing)(self._leave_if_empty)
        for key in ("<any>", "enter", "tab", "up", "down"):
            bindings.add(key, filter=choosing, eager=True)(self._choose)
        return bindings

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        # Bytes that are no UTF-8 arrive as half characters, which nothing can be written with.
        text = buffer.text.strip().encode("utf-8", "replace").decode()
        if self._question:
            self._answer(self._question, text)
        elif text:
            buffer.text = text
            buffer.append_to_history()
            buffer.reset()
            self.entered(text)

    def _choose(self, event: KeyPressEvent) -> None:
        question, key = self._question, event.data.lower()
        if not (question and key and key in question.keys and time.monotonic() >= question.opens):
            return
        # At once, so that what is typed right after the key is part of the line.
        question.key = key
        if key in question.more:
            question.text = question.more[key]
        else:
            self._answer(question, "")

    def _answer(self, question: _Question, line: str) -> None:
        if not question.answer.done():
            question.answer.set_result((question.key, line))

    def _interrupt(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text and not self._question:
            event.current_buffer.reset()
        else:
            self.interrupted()

    def _leave_if_empty(self, event: KeyPressEvent) -> None:
        if not event.current_buffer.text:
            self.leave()


def _size() -> Size:
    # Asked anew at every repaint; not `shutil`, which believes an old COLUMNS.
    try:
        columns, rows = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1)
    except OSError:
        columns, rows = 0, 0
    return Size(rows=rows or 24, columns=columns or 80)


async def _awaited(start: Callable[[], Awaitable[None]]) -> None:
    await start()


def _new_line(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text("\n")


def _fold(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)


def _wrapped(text: str, width: int) -> Sequence[str]:
    """The text in rows of at most `width` cells; none for an empty text."""
    rows, row, used = list[str](), "", 0
    for character in text.replace("\t", "    "):
        cells = get_cwidth(character)
        if used + cells > max(width, 1):
            rows.append(row)
            row, used = "", 0
        row, used = row + character, used + cells
    return [*rows, row] if row else rows
