"""The composition root: from settings to a conversation that is ready for its first turn."""

import asyncio
import importlib
from dataclasses import dataclass, replace
from pathlib import Path

from agent.agent import Agent
from agent.conversation import Conversation, Decide, Listen, begin, deny_all
from agent.episode import Episode, Step
from agent.store import Store
from assistant.config import Config
from assistant.driver import Driver, Say, open_driver
from sandbox.backend import open_sandbox
from sandbox.workspace import Workspace, in_place
from tools.registry import default_tools
from tools.tool import Context


@dataclass
class Session:
    """A chat on one folder: the user's own tree, its sandbox, a model and the record of it all."""

    config: Config
    store: Store
    workspace: Workspace
    agent: Agent
    driver: Driver
    listen: Listen
    past: tuple[Step, ...] = ()
    """What the next conversation begins with."""
    conversation: Conversation | None = None
    """None until something was asked."""
    stop: str = "end"
    """Why the last turn ended."""

    @staticmethod
    async def open(
        config: Config, root: Path, listen: Listen, say: Say, resume: bool = False
    ) -> "Session":
        """Put a session together; what takes long is done in threads.

        Raises:
            Refused: no sandbox, no such model, or a home that cannot be used.
        """
        store = Store(config.home / "episodes.db")
        sandbox = await open_sandbox(root, limits=config.sandbox)
        workspace, driver, _ = await asyncio.gather(
            asyncio.to_thread(in_place, root),
            open_driver(config, config.chat.model, say),
            # LangGraph takes a second to import: done while the user still types.
            asyncio.to_thread(importlib.import_module, "agent.graph"),
        )
        agent = Agent(driver.model, default_tools(), Context(sandbox, root), config.chat.mode)
        past = _last_steps(config.home, root, store) if resume else ()
        if resume:
            say(_recap(past))
        return Session(config, store, workspace, agent, driver, listen, past)

    async def ask(self, text: str, decide: Decide = deny_all) -> str:
        """Run one turn and return why it ended.

        Raises:
            ModelError: the model could not answer.
            SandboxBroken: the sandbox failed.
        """
        conversation = self.conversation = self.conversation or self._begin()
        self.stop = "interrupted"
        try:
            self.stop = await conversation.ask(text, decide)
        except Exception as error:
            self.stop = f"error: {error}"
            raise
        return self.stop

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
        self.agent.model = driver.model
        await old.model.close()

    def restart(self) -> None:
        """Begin a new conversation with the next turn; the old one is kept on disk."""
        self._finish()
        self.past = ()
        self.workspace = in_place(self.workspace.root)

    def diff(self) -> str:
        """What changed in the folder since the conversation began."""
        return self.workspace.diff()

    async def close(self) -> None:
        """End the conversation on disk and whatever still runs."""
        try:
            self._finish()
        finally:
            await self.agent.context.sandbox.close()
            await self.driver.model.close()
            self.store.close()

    def _begin(self) -> Conversation:
        episode = begin(self.agent, self.store)
        for n, step in enumerate(self.past):
            self.store.append(episode.id, n, step)
        episode = replace(episode, steps=self.past)
        _remember(self.config.home, self.workspace.root, episode)
        return Conversation(self.agent, self.store, episode, self.listen, self.config.limits)

    def _finish(self) -> None:
        if self.conversation:
            self.conversation.close(self.stop, self.diff())
            self.conversation = None


def _recap(past: tuple[Step, ...]) -> str:
    """Where a conversation that goes on stood."""
    asked = [step.message["content"] for step in past if step.message["role"] == "user"]
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
