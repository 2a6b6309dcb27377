"""The chat in the terminal: draws the prompt at once, loads the rest behind it, runs the turns.

What is entered before everything is loaded, or while a turn runs, is done afterwards.
"""

import asyncio
import importlib
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from assistant.completion import Words
from assistant.config import Config
from assistant.prompt import Prompt
from assistant.style import Style
from assistant.terms import Terms
from assistant.untrusted import neutral

if TYPE_CHECKING:
    from assistant.chat import Chat
    from assistant.session import Session

TICK = 0.5
"""Seconds between repaints while a turn runs."""


class Repl:
    """One chat from the first prompt to Ctrl-D."""

    def __init__(self, config: Config, terms: Terms, resume: bool = False) -> None:
        """Chat about the code in a folder; `resume` goes on with the last conversation there."""
        self._config, self._terms, self._resume = config, terms, resume
        self._style = Style.of(sys.stdout)
        words = Words(terms.root)
        self._prompt = Prompt(config.home / "history", words, self._tail, self._status)
        self._prompt.alarm = self._alarm
        self._prompt.entered, self._prompt.interrupted = self._entered, self._interrupted
        self._chat: Chat | None = None
        self._opened = asyncio.Event()
        self._turn: asyncio.Task[None] | None = None
        self._began = 0.0
        self._waiting: deque[str] = deque()

    async def run(self) -> int:
        """Chat until the user leaves, and return the exit code.

        Raises:
            Refused: the session cannot be opened.
        """
        try:
            await self._prompt.run(self._open)
        finally:
            self._waiting.clear()
            if self._turn:
                self._turn.cancel()
                await asyncio.wait([self._turn])
            if self._chat:
                await self._leave(self._chat.session)
        return 0

    async def _leave(self, session: "Session") -> None:
        """What was changed in a copy is not lost with it."""
        try:
            if kept := await asyncio.to_thread(session.ground.keep, self._config.home):
                sys.stdout.write(self._style(neutral(kept), "yellow") + "\n")
        finally:
            await session.close()

    async def _open(self) -> None:
        try:
            # Models, tools and the sandbox: as slow to import as the prompt, so not before it.
            chat = await asyncio.to_thread(importlib.import_module, "assistant.chat")
            self._chat = await chat.Chat.open(
                self._config, self._terms, self._prompt, self._style, self._resume
            )
        except Exception as error:  # noqa: BLE001 - raised again where the prompt was run
            self._prompt.leave(error)
            return
        self._opened.set()
        self._prompt.redraw()
        # LangGraph takes a second to import: done while the user still types.
        await asyncio.to_thread(importlib.import_module, "agent.graph")

    def _entered(self, text: str) -> None:
        """A line came: it starts a turn, or waits for the end of the one that runs."""
        self._prompt.print(self._style(f"> {neutral(text)}", "bold") + "\n")
        self._waiting.append(text)
        if not self._turn:
            self._start()

    def _start(self) -> None:
        self._began = time.monotonic()
        self._turn = asyncio.create_task(self._work(self._waiting.popleft()))
        self._turn.add_done_callback(self._ended)

    async def _work(self, text: str) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            await self._opened.wait()
            assert self._chat is not None  # noqa: S101 - set before the event
            await self._chat.work(text)
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            self._prompt.redraw()
            await asyncio.sleep(TICK)

    def _ended(self, turn: "asyncio.Task[None]") -> None:
        self._turn = None
        if turn.cancelled():
            # What waited was meant for after a turn that did not come to its end; commands hold.
            commands = [text for text in self._waiting if text.startswith("/")]
            texts = len(self._waiting) - len(commands)
            self._waiting = deque(commands)
            unsent = f", {texts} waiting not sent (Up brings it back)" if texts else ""
            self._prompt.print(self._style(f"interrupted{unsent}", "yellow") + "\n")
        elif error := turn.exception():
            self._prompt.leave(error)
            return
        if self._waiting:
            self._start()
        self._prompt.redraw()

    def _interrupted(self) -> None:
        if self._turn:
            self._turn.cancel()
        else:
            self._prompt.print(self._style("Ctrl-D leaves", "dim") + "\n")

    def _tail(self) -> str:
        if not self._turn:
            return ""
        if self._chat is None:
            return "… loading"
        return self._chat.tail or f"… {time.monotonic() - self._began:.0f} s (Ctrl-C stops)"

    def _status(self) -> str:
        if self._chat:
            return self._chat.status
        return neutral(f"{self._config.chat.model} · {self._config.chat.mode} · loading")

    def _alarm(self) -> str:
        return self._chat.session.ground.alarm if self._chat else ""
