"""A turn that a tool ends, and what a yes to the network widens."""

from pathlib import Path

import pytest

from agent.agent import Agent
from agent.approval import Mode, needs_approval
from agent.conversation import Conversation, begin
from agent.model import Event, Text
from agent.models.scripted import ScriptedModel, reply
from agent.store import Store
from sandbox.backend import open_sandbox
from tools.call import Observation, ToolCall
from tools.files import read_file
from tools.tool import Context, Effect, tool
from tools.turn import finish


@tool("net")
async def fetch(context: Context) -> str:
    """Leave the machine."""
    return "fetched"


async def test_finish_ends_the_turn_with_its_answer(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    (root / "a").write_text("x")
    read = ToolCall("c1", "read_file", {"path": "a"})
    done = ToolCall("c2", "finish", {"answer": "All is well."})
    # The n-th reply is for the n-th assistant message, and the answer is one.
    script = [reply("", done, read), reply("Never said."), reply("Hello again.")]
    store = Store(tmp_path / "e.sqlite")
    context = Context(await open_sandbox(root), root)
    agent = Agent(ScriptedModel(script), (read_file, finish), context)
    heard: list[Event | Observation] = []
    conversation = Conversation(agent, store, begin(agent, store), heard.append)
    assert await conversation.ask("Go.") == "end"
    steps = conversation.episode.steps
    assert [step.message["role"] for step in steps[2:]] == [
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert steps[-1].message["content"] == "All is well."
    assert [step.trained for step in steps[2:]] == [True, True, True, False]
    assert [event.text for event in heard if isinstance(event, Text)] == ["All is well."]
    assert await conversation.ask("And now?") == "end"
    assert conversation.episode.messages[-1]["content"] == "Hello again."
    await context.sandbox.close()
    store.close()


async def test_an_empty_answer_ends_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    context = Context(await open_sandbox(tmp_path), tmp_path)
    script = [reply("", ToolCall("c1", "finish", {"answer": " "})), reply("Then in words.")]
    agent = Agent(ScriptedModel(script), (finish,), context)
    conversation = Conversation(agent, store, begin(agent, store))
    assert await conversation.ask("Go.") == "end"
    assert conversation.episode.messages[-1]["content"] == "Then in words."
    await context.sandbox.close()
    store.close()


@pytest.mark.parametrize(
    ("mode", "waiting"),
    [("ask", {"write", "run", "net"}), ("edits", {"run", "net"}), ("auto", set[str]())],
)
def test_what_waits(mode: Mode, waiting: set[str]) -> None:
    effects: tuple[Effect, ...] = ("read", "write", "run", "net")
    assert {effect for effect in effects if needs_approval(mode, effect)} == waiting


async def test_a_yes_to_the_network_is_no_yes_to_commands(tmp_path: Path) -> None:
    @tool("run")
    async def command(context: Context) -> str:
        """Run."""
        return "ran"

    context = Context(await open_sandbox(tmp_path), tmp_path)
    agent = Agent(ScriptedModel([]), (fetch, command), context)
    assert agent.must_ask(ToolCall("1", "fetch"))
    agent.granted.add("net")
    assert not agent.must_ask(ToolCall("1", "fetch"))
    assert agent.must_ask(ToolCall("1", "command"))
    await context.sandbox.close()
