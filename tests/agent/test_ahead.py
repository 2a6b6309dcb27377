"""The first request of a process is on its way while the graph is loaded."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from agent.ahead import Ahead
from agent.message import Message, user
from agent.model import Event, ModelError, Stop, Text
from tools.schema import ToolSchema

FIRST = [user("What is it?")]
EVENTS = [Text("It "), Text("is."), Stop("end")]

PROGRAM = """
import asyncio, sys, time
from pathlib import Path
from agent.agent import Agent
from agent.conversation import Conversation, begin
from agent.model import Stop, Text
from agent.store import Store
from sandbox.backend import open_sandbox
from tools.tool import Context

class Early:
    name = "early"
    async def stream(self, messages, tools):
        print("graph" if "agent.graph" in sys.modules else "no graph", len(messages))
        yield Text("Yes.")
        yield Stop("end")

async def main(root):
    store = Store(root / "e.db")
    agent = Agent(Early(), (), Context(await open_sandbox(root), root))
    conversation = Conversation(agent, store, begin(agent, store))
    for _ in range(2):
        print(await conversation.ask("Is it?"))
    print(conversation.episode.messages[-1]["content"], len(conversation.episode.steps))
    await agent.context.sandbox.close()
    store.close()

asyncio.run(main(Path(sys.argv[1])))
"""


class Counted:
    """Answers the same, and says how often it was asked and left."""

    name = "counted"

    def __init__(self, events: Sequence[Event] = EVENTS, error: Exception | None = None) -> None:
        self.events, self.error = events, error
        self.asked: list[Sequence[Message]] = []
        self.left = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        self.asked.append(list(messages))
        try:
            for event in self.events:
                yield event
            if self.error:
                raise self.error
            if not self.events:
                await asyncio.Event().wait()
        finally:
            self.left += 1


async def heard(model: Ahead, messages: Sequence[Message] = FIRST) -> list[Event]:
    return [event async for event in model.stream(messages, [])]


def test_the_first_request_does_not_wait_for_the_graph(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path)]
    said = subprocess.check_output(command, cwd=Path(__file__).parents[2], text=True)
    assert said.splitlines() == ["no graph 2", "end", "graph 4", "end", "Yes. 5"]


async def test_an_early_answer_is_given_once_and_to_its_question_alone() -> None:
    model = Counted()
    early = Ahead(model, FIRST, [])
    assert await heard(early) == EVENTS
    assert model.asked == [FIRST]
    assert await heard(early) == EVENTS
    assert model.asked == [FIRST, FIRST]
    other = [user("What else?")]
    early = Ahead(model, FIRST, [])
    assert await heard(early, other) == EVENTS
    # It was dropped before it was even asked, or while it was.
    assert model.asked[2:] in ([other], [FIRST, other])
    assert model.left == len(model.asked)


async def test_an_error_comes_where_it_would_have_come() -> None:
    early = Ahead(Counted(EVENTS[:1], ModelError("It broke.")), FIRST, [])
    await early.started(5)
    answers = early.stream(FIRST, [])
    assert await anext(answers) == EVENTS[0]
    with pytest.raises(ModelError, match="It broke"):
        await anext(answers)


async def test_what_nobody_reads_is_dropped() -> None:
    silent = Counted([])
    early = Ahead(silent, FIRST, [])
    await early.started(0.01)
    assert (silent.asked, silent.left) == ([FIRST], 0)
    await early.close()
    assert silent.left == 1
    failed = Ahead(Counted([], ModelError("It broke.")), FIRST, [])
    await failed.started(5)
    await failed.close()


async def test_who_leaves_in_the_middle_stops_the_model() -> None:
    silent = Counted([])
    reading = asyncio.create_task(heard(Ahead(silent, FIRST, [])))
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert silent.left == 1
