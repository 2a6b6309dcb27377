"""Slash commands of the chat."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import get_args

from agent.approval import Mode
from assistant.prompt import Prompt
from assistant.render import diff
from assistant.session import Session
from assistant.style import Style
from assistant.untrusted import neutral
from sandbox.refused import Refused

KEYS = """\
Enter sends · Alt-Enter starts a new line · Tab completes commands and paths
Ctrl-C stops the turn · Ctrl-D leaves · what you type during a turn is sent after it
"""


@dataclass
class Chat:
    """What a slash command works on."""

    session: Session
    prompt: Prompt
    style: Style

    def say(self, line: str) -> None:
        """Show a line."""
        self.prompt.print(self.style(neutral(line), "dim") + "\n")


async def _help(chat: Chat, argument: str) -> None:
    lines = (f"{name:<8} {about}" for name, (about, _) in SLASH.items())
    chat.prompt.print("\n".join(lines) + "\n\n" + KEYS)


async def _model(chat: Chat, spec: str) -> None:
    if spec:
        await chat.session.drive(spec, chat.say)
    chat.say(f"model: {chat.session.driver.label}")


async def _mode(chat: Chat, name: str) -> None:
    modes: dict[str, Mode] = {mode: mode for mode in get_args(Mode)}
    if name and name not in modes:
        raise Refused(f"There is no mode {name}: write /mode {'|'.join(modes)}.")
    if name:
        chat.session.agent.mode = modes[name]
    chat.say(f"mode: {chat.session.agent.mode}")


async def _diff(chat: Chat, argument: str) -> None:
    text = diff(chat.session.diff(), chat.style)
    chat.prompt.print(text or "nothing has changed\n")


async def _new(chat: Chat, argument: str) -> None:
    chat.session.restart()
    chat.say("a new conversation")


async def _quit(chat: Chat, argument: str) -> None:
    chat.prompt.leave()


SLASH: dict[str, tuple[str, Callable[[Chat, str], Awaitable[None]]]] = {
    "/help": ("show this", _help),
    "/model": ("show the model, or go on with another: /model claude", _model),
    "/mode": ("show what waits for your yes, or change it: /mode ask|edits|auto", _mode),
    "/diff": ("show what has changed in this conversation", _diff),
    "/new": ("begin a new conversation", _new),
    "/quit": ("leave", _quit),
}


async def obey(chat: Chat, line: str) -> None:
    """Do what a line that begins with a slash says.

    Raises:
        Refused: there is no such command, or it cannot be done.
    """
    name, _, argument = line.partition(" ")
    if name not in SLASH:
        raise Refused(f"There is no command {neutral(name)}: /help shows them.")
    await SLASH[name][1](chat, argument.strip())
