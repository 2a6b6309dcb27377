"""This agent with one instant tool, its episode on disk: `our_agent.py URL FOLDER`."""

import asyncio
import sys
from pathlib import Path

from observation import PROMPT, TEXT

from agent.agent import Agent
from agent.conversation import Conversation, begin
from agent.limits import EpisodeLimits
from agent.models.open import open_model
from agent.models.settings import Endpoint, ModelSettings
from agent.store import Store
from sandbox.backend import open_sandbox
from tools.tool import Context, tool


@tool("read")
async def look(context: Context, name: str) -> str:
    """Look at a file.

    Args:
        name: the file's name.
    """
    return TEXT


async def main(url: str, folder: str) -> None:
    root = Path(folder)
    model = open_model("bench:bench", ModelSettings(endpoints={"bench": Endpoint(url)}))
    agent = Agent(model, (look,), Context(await open_sandbox(root), root), "auto")
    store = Store(root / "episodes.db")
    limits = EpisodeLimits(steps=1000)
    conversation = Conversation(agent, store, begin(agent, store), limits=limits)
    conversation.close(await conversation.ask(PROMPT))
    await agent.context.sandbox.close()
    await model.close()
    store.close()


asyncio.run(main(*sys.argv[1:]))
