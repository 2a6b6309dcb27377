"""What the slash commands do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import get_args

from agent.approval import Mode
from assistant.completion import COMMANDS
from assistant.prompt import Prompt
from assistant.render import diff
from assistant.session import Session
from assistant.style import Style
from assistant.untrusted import neutral
from sandbox.refused import Refused

KEYS = """\
Enter sends · Alt-Enter starts a new line · Tab completes commands and paths
Ctrl-C stops the turn · Ctrl-D leaves · what you type during a turn is sent after it
A text may name pictures, which the model is shown: what is wrong in @shot.png?
"""


@dataclass
class Desk:
    """What a slash command works on."""

    session: Session
    prompt: Prompt
    style: Style

    def say(self, line: str) -> None:
        """Show a line."""
        self.prompt.print(self.style(self.prompt.folded(neutral(line)), "dim") + "\n")


async def obey(desk: Desk, line: str) -> None:
    """Do what a line that begins with a slash says.

    Raises:
        Refused: there is no such command, or it cannot be done.
    """
    name, _, argument = line.partition(" ")
    if name not in _ACTIONS:
        raise Refused(f"There is no command {neutral(name)}: /help shows them.")
    await _ACTIONS[name](desk, argument.strip())


async def _help(desk: Desk, _: str) -> None:
    lines = (f"{name:<9} {about}" for name, about in COMMANDS.items())
    desk.prompt.print("\n".join(lines) + "\n\n" + KEYS)


async def _model(desk: Desk, spec: str) -> None:
    if spec:
        await desk.session.drive(spec, desk.say)
    desk.say(f"model: {desk.session.driver.label}")


async def _mode(desk: Desk, name: str) -> None:
    modes: dict[str, Mode] = {mode: mode for mode in get_args(Mode)}
    if name and name not in modes:
        raise Refused(f"There is no mode {neutral(name)}: write /mode {'|'.join(modes)}.")
    if name:
        desk.session.agent.mode = modes[name]
        desk.session.agent.granted.clear()
    desk.say(f"mode: {desk.session.agent.freedom}")


async def _diff(desk: Desk, _: str) -> None:
    text = diff(desk.session.diff(), desk.style)
    desk.prompt.print(text or "nothing has changed\n")


async def _apply(desk: Desk, _: str) -> None:
    applied = await asyncio.to_thread(desk.session.ground.apply)
    desk.say(f"applied: {', '.join(applied)}" if applied else "nothing has changed")


async def _allow(desk: Desk, domain: str) -> None:
    network = desk.session.ground.web.network
    if domain:
        desk.session.ground.allow(domain)
        desk.say(f"allowed: {domain}")
    elif network:
        desk.say("allowed: " + ", ".join(str(rule) for rule in network.rules))
    else:
        desk.say("the network is off: assistant --continue --allow DOMAIN turns it on")


async def _escalate(desk: Desk, spec: str) -> None:
    teacher = await desk.session.escalate(spec)
    desk.say(f"{teacher} drives the next turn")


async def _context(desk: Desk, _: str) -> None:
    tokens, window = await desk.session.begun().context()
    room = (
        f"of {window:,} tokens ({tokens / window:.0%})"
        if window
        else "tokens; its window is unknown"
    )
    desk.say(f"context: {tokens:,} {room}")


async def _compact(desk: Desk, _: str) -> None:
    conversation = desk.session.begun()
    before, _window = await conversation.context()
    if not await conversation.compact():
        raise Refused("There is nothing to leave out yet: the task and the last step always stay.")
    after, _window = await conversation.context()
    desk.say(f"context: {after:,} tokens instead of {before:,}; the episode keeps all of it")


async def _new(desk: Desk, _: str) -> None:
    await desk.session.restart()
    desk.say("a new conversation")


async def _quit(desk: Desk, _: str) -> None:
    desk.prompt.leave()


_ACTIONS: dict[str, Callable[[Desk, str], Awaitable[None]]] = {
    "/help": _help,
    "/model": _model,
    "/mode": _mode,
    "/diff": _diff,
    "/apply": _apply,
    "/allow": _allow,
    "/escalate": _escalate,
    "/context": _context,
    "/compact": _compact,
    "/new": _new,
    "/quit": _quit,
}
