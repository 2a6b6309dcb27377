"""The chat in the terminal: turns, approvals and slash commands round one prompt.

The prompt is drawn before anything heavy is loaded; what is typed meanwhile is sent afterwards.
"""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.model import Event, ModelError
from assistant.completion import Words
from assistant.config import Config
from assistant.consent import consent
from assistant.prompt import Prompt
from assistant.render import Renderer
from assistant.session import Session
from assistant.slash import SLASH, Chat, obey
from assistant.style import Look, Style
from assistant.untrusted import neutral
from sandbox.refused import Refused
from sandbox.sandbox import SandboxBroken
from tools.call import Observation, ToolCall

TICK = 0.5
"""Seconds between repaints while a turn runs."""


class Repl:
    """One chat from the first prompt to Ctrl-D."""

    def __init__(self, config: Config, root: Path, resume: bool = False) -> None:
        """Chat about the code in `root`; `resume` goes on with the last conversation there."""
        self._config, self._root, self._resume = config, root, resume
        self._style = Style.of(sys.stdout)
        words = Words(root, {name: about for name, (about, _) in SLASH.items()})
        self._prompt = Prompt(config.home / "history", words, self._tail, self._status)
        self._prompt.entered, self._prompt.interrupted = self._entered, self._interrupted
        self._renderer = Renderer(self._prompt.print, self._style)
        self._session: Session | None = None
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
            if self._turn:
                self._turn.cancel()
                await asyncio.wait([self._turn])
            if self._session:
                await self._session.close()
        return 0

    async def _open(self) -> None:
        try:
            self._session = await Session.open(
                self._config, self._root, self._show, self._say, self._resume
            )
        except Exception as error:  # noqa: BLE001 - raised again where the prompt was run
            self._prompt.leave(error)
            return
        self._opened.set()
        self._prompt.redraw()

    def _entered(self, text: str) -> None:
        """A line came: it starts a turn, or waits for the end of the one that runs."""
        self._prompt.print(self._style(f"> {neutral(text)}", "bold") + "\n")
        self._waiting.append(text)
        if not self._turn:
            self._start()

    def _start(self) -> None:
        self._began = time.monotonic()
        self._turn = asyncio.create_task(self._work())
        self._turn.add_done_callback(self._ended)

    def _ended(self, turn: "asyncio.Task[None]") -> None:
        self._turn = None
        self._renderer.end()
        if turn.cancelled():
            # What waited was typed for a turn that did not happen.
            self._waiting.clear()
            self._line("interrupted", "yellow")
        elif error := turn.exception():
            self._prompt.leave(error)
        elif self._waiting:
            self._start()
        self._prompt.redraw()

    def _interrupted(self) -> None:
        if self._turn:
            self._turn.cancel()
        else:
            self._line("Ctrl-D leaves", "dim")

    async def _work(self) -> None:
        """One turn, or one slash command."""
        text = self._waiting.popleft()
        ticking = asyncio.create_task(self._tick())
        try:
            await self._opened.wait()
            assert self._session is not None  # noqa: S101 - set before the event
            if text.startswith("/"):
                await obey(Chat(self._session, self._prompt, self._style), text)
            else:
                await self._ask(self._session, text)
        except (Refused, ModelError, SandboxBroken) as error:
            self._renderer.end()
            self._line(str(error), "red")
        finally:
            ticking.cancel()

    async def _ask(self, session: Session, text: str) -> None:
        stop = await session.ask(text, self._decide)
        self._renderer.end()
        if stop != "end":
            self._line(f"the turn ended early: {stop}", "yellow")
        if news := await session.follow():
            self._line(news, "green")

    async def _decide(self, waiting: Sequence[ToolCall]) -> Mapping[str, str]:
        assert self._session is not None  # noqa: S101 - a turn is running
        return await consent(waiting, self._session.agent, self._prompt, self._style)

    async def _tick(self) -> None:
        while True:
            self._prompt.redraw()
            await asyncio.sleep(TICK)

    def _show(self, event: Event | Observation) -> None:
        self._renderer(event)
        self._prompt.redraw()

    def _say(self, line: str) -> None:
        self._line(line, "dim")

    def _line(self, line: str, look: Look) -> None:
        self._prompt.print(self._style(neutral(line), look) + "\n")

    def _tail(self) -> str:
        if not self._turn:
            return ""
        if not self._opened.is_set():
            return "… loading"
        return self._renderer.tail or f"… {time.monotonic() - self._began:.0f} s (Ctrl-C stops)"

    def _status(self) -> str:
        usage = self._renderer.usage
        session = self._session
        model = session.driver.label if session else self._config.chat.model
        mode = session.agent.mode if session else self._config.chat.mode
        sandbox = session.agent.context.sandbox.name if session else "…"
        cost = "no price known" if usage.cost is None else f"${usage.cost:.2f}"
        tokens = f"{usage.input + usage.output:,} tokens"
        return neutral(f"{model} · {sandbox} · {mode} · {tokens} · {cost}")
