"""The composition root: from settings to a conversation that is ready for its first turn."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.agent import Agent
from agent.conversation import Conversation, Decide, Listen, begin, deny_all
from agent.episode import Episode, Step
from agent.message import Image
from agent.models.open import load_library
from agent.router import Escalation
from agent.store import Store
from assistant.config import Config
from assistant.driver import Driver, Say, open_driver
from assistant.ground import Ground
from assistant.pictures import visible
from assistant.teacher import escalation
from assistant.terms import Terms
from assistant.toolbox import Toolbox
from sandbox.refused import Refused
from tools.terminal import ShellState
from tools.tool import Ask, Context, nobody


@dataclass
class Session:
    """A chat on one folder: the ground it stands on, a model, and the record of it all."""

    config: Config
    store: Store
    ground: Ground
    agent: Agent
    driver: Driver
    toolbox: Toolbox
    listen: Listen
    escalation: Escalation | None = None
    """On which terms a teacher takes over; None where none is named."""
    past: tuple[Step, ...] = ()
    """What the next conversation begins with."""
    conversation: Conversation | None = None
    """None until something was asked."""
    stop: str = "end"
    """Why the last turn ended."""

    @staticmethod
    async def open(
        config: Config,
        terms: Terms,
        listen: Listen,
        say: Say,
        resume: bool = False,
        ask: Ask = nobody,
    ) -> "Session":
        """Put a session together; what takes long is done in threads.

        Raises:
            Refused: no sandbox, no such model, or a home that cannot be used.
        """
        teacher = escalation(config, ask)
        store = Store(config.home / "episodes.db")
        past = _last_steps(config.home, terms.root, store) if resume else ()
        # Imports need the processor, the start of a sandbox mostly waits.
        loading = asyncio.create_task(asyncio.to_thread(load_library, config.chat.model))
        ground = await Ground.open(config, terms, say)
        try:
            await loading
            driver = await open_driver(config, config.chat.model, say)
        except BaseException:
            await ground.close()
            raise
        context, toolbox = _context(ground, ask, past), Toolbox(config.chat.tools, ground.web, say)
        agent = Agent(driver.model, toolbox.tools(driver.model), context, config.chat.mode)
        if resume:
            say(_recap(past))
        if ground.alarm:
            say(f"{ground.alarm}.")
        return Session(config, store, ground, agent, driver, toolbox, listen, teacher, past)

    async def ask(self, text: str, decide: Decide = deny_all, images: Sequence[Image] = ()) -> str:
        """Run one turn and return why it ended.

        Raises:
            ModelError: the model could not answer.
            SandboxBroken: the sandbox failed.
            Refused: the folder is not there any more, or the model sees no pictures.
        """
        self.ground.check()
        if images and not visible(self.agent.model):
            raise Refused(
                f"{self.agent.model.name} cannot see pictures: leave out the @, or go on with "
                "another model, e.g. /model claude."
            )
        conversation = self.conversation = self.conversation or self._begin()
        conversation.escalation = self.escalation
        self.stop = "interrupted"
        try:
            self.stop = await conversation.ask(text, decide, images)
        except Exception as error:
            self.stop = f"error: {error}"
            raise
        return self.stop

    def begun(self) -> Conversation:
        """The conversation, begun if it goes on from an earlier one.

        Raises:
            Refused: nothing was said yet.
        """
        if not (self.conversation or self.past):
            raise Refused("Nothing was said yet: ask something first.")
        self.conversation = self.conversation or self._begin()
        return self.conversation

    async def follow(self) -> str | None:
        """Swap the student's active version in if it is another one; the line that says so."""
        return await self.driver.follow()

    async def drive(self, spec: str, say: Say) -> None:
        """Go on with another model.

        Raises:
            Refused: there is no such model; the old one stays.
        """
        driver = await open_driver(self.config, spec, say)
        self.driver, old = driver, self.driver
        self.agent.model, tools = driver.model, self.toolbox.tools(driver.model)
        if [tool.name for tool in tools] != [tool.name for tool in self.agent.tools]:
            # An episode has one set of tools: the conversation goes on in another one.
            self.past = self.conversation.episode.steps if self.conversation else self.past
            self._end()
            self.agent.tools = tools
        await old.model.close()

    @property
    def label(self) -> str:
        """Who drives, for the status line."""
        teacher = self.escalation.driving if self.escalation else ""
        return f"{self.driver.label} → {teacher}" if teacher else self.driver.label

    async def escalate(self, spec: str) -> str:
        """Leave the next turn to the teacher, or to `spec` from now on; its name.

        Raises:
            Refused: there is no teacher, or it cannot take over; all stays as it was.
        """
        old, config = self.escalation, self.config
        if spec:
            config = replace(config, escalation=replace(config.escalation, teacher=spec))
            budget = old.budget if old else None
            new = escalation(config, self.agent.context.ask, budget)
        else:
            new = old
        if not new:
            raise Refused(
                "There is no teacher: write /escalate MODEL, e.g. /escalate claude, or set "
                "escalation.teacher."
            )
        # Opened now, so that a key that is missing is told before anybody counts on it.
        await new.model()
        if old and old is not new:
            await old.close()
        self.escalation, self.config = new, config
        new.by_hand = True
        return new.teacher

    async def restart(self) -> None:
        """Begin a new conversation with the next turn; the old one is kept on disk."""
        await self._finish()
        self.past = ()
        self.ground.renew()

    def diff(self) -> str:
        """What changed since the conversation began, or what of a copy is not applied."""
        return self.ground.diff()

    async def close(self) -> None:
        """End the conversation on disk and whatever still runs."""
        try:
            await self._finish()
        finally:
            await self.ground.close()
            await self.driver.model.close()
            if self.escalation:
                await self.escalation.close()
            self.store.close()

    def _begin(self) -> Conversation:
        episode = begin(self.agent, self.store)
        for n, step in enumerate(self.past):
            self.store.append(episode.id, n, step)
        episode = replace(episode, steps=self.past)
        _remember(self.config.home, self.ground.terms.root, episode)
        return Conversation(self.agent, self.store, episode, self.listen, self.config.limits)

    async def _finish(self) -> None:
        try:
            await self.agent.context.memory.close()
        finally:
            self._end()

    def _end(self) -> None:
        """End the episode on disk."""
        if self.conversation:
            self.conversation.close(self.stop, self.diff())
            self.conversation = None


def _context(ground: Ground, ask: Ask, past: tuple[Step, ...]) -> Context:
    """What tools work on, in a conversation that goes on after `past`."""
    context = Context(
        ground.sandbox,
        ground.workspace.root,
        ask=ask,
        web=ground.web,
        readonly=ground.readonly,
    )
    # What the shell kept went with the sandbox of then; the model is told so once it matters.
    context.memory.of(ShellState).kept = any(step.message.get("name") == "shell" for step in past)
    return context


def _recap(past: tuple[Step, ...]) -> str:
    """Where a conversation that goes on stood."""
    # What was left out is told to the model in the user's name, too.
    said = (step.message for step in past if "kept_from" not in step.message)
    asked = [message["content"] for message in said if message["role"] == "user"]
    if not asked:
        return "There is no earlier conversation in this folder; this is a new one."
    last = " ".join(asked[-1].split())
    return f"Going on after {len(past)} messages. You last asked: {last[:200]}"


def _pointer(home: Path, root: Path) -> Path:
    # A folder's path as a file name; long ones would not fit.
    return home / "chats" / str(root).strip("/").replace("/", "%")[-200:]


def _remember(home: Path, root: Path, episode: Episode) -> None:
    """Note which conversation is the last one of this folder."""
    pointer = _pointer(home, root)
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.write_text(episode.id, encoding="utf-8")


def _last_steps(home: Path, root: Path, store: Store) -> tuple[Step, ...]:
    pointer = _pointer(home, root)
    return store.episode(pointer.read_text("utf-8")).steps if pointer.exists() else ()
