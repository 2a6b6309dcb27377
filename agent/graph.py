"""The agent's loop: fit, think, ask for approval, act, and again until nothing is left to do."""

import operator
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from agent.agent import Agent
from agent.approval import DENIED
from agent.episode import Step
from agent.message import Message, assistant, observed, unanswered
from agent.model import Event, Model, Text
from agent.repair import Trouble, asked, judged, mend, requires
from tools.call import Observation, ToolCall
from tools.tool import execute


class State(TypedDict):
    """What flows through the graph. Messages are only ever appended."""

    messages: Annotated[list[Message], operator.add]
    denied: dict[str, str]  # call id -> the user's reason, for the call that awaits `act`
    final: str  # the answer with which a call of this turn has ended it
    stop: str
    trouble: Trouble | None


Graph = CompiledStateGraph[State, None, State, State]
Record = Callable[[Step], Message]
Listen = Callable[[Event | Observation], None]
Shorten = Callable[[], Awaitable[list[Message]]]
"""Records a compaction where one is due, and returns its message."""


def build(agent: Agent, model: Model, record: Record, listen: Listen, shorten: Shorten) -> Graph:
    """Compile the loop of `agent`, driven by `model`; each message is recorded as it is made."""

    async def fit(state: State) -> dict[str, Any]:
        # Between steps alone, so that no call is parted from its results.
        return {"messages": await shorten()}

    async def think(state: State) -> dict[str, Any]:
        began, messages, trouble = time.monotonic(), state["messages"], state["trouble"]
        reply = await asked(model, messages, agent.schemas, listen, trouble)
        step, trouble = judged(reply, messages, trouble, agent.tools)
        message = record(replace(step, seconds=time.monotonic() - began))
        return {"messages": [message], "stop": reply.stop, "trouble": trouble}

    async def repair(state: State) -> dict[str, Any]:
        assert state["trouble"]  # noqa: S101 - see `_after`
        steps, trouble = mend(state["trouble"], agent.tools, held=requires(model))
        return {"messages": [record(step) for step in steps], "trouble": trouble}

    # Async although it awaits nothing, as `_after` is: LangGraph runs all others in threads.
    async def approve(state: State) -> dict[str, Any]:
        # One call at a time: who is asked sees what the calls before it have done.
        call = unanswered(state["messages"])[0]
        return {"denied": dict(interrupt(call.id)) if agent.must_ask(call) else {}}

    async def act(state: State) -> dict[str, Any]:
        call, *others = unanswered(state["messages"])
        began = time.monotonic()
        result = await _result(agent, call, state["denied"].get(call.id))
        listen(result)
        messages = [record(Step(observed(result), seconds=time.monotonic() - began))]
        final = result.final or state["final"]
        if final and not others:
            listen(Text(final))
            # Said for the model: it must not learn to say again what it gave to the tool.
            messages.append(record(Step(assistant(final), trained=False)))
        return {"messages": messages, "final": final, "stop": "end"}

    graph = StateGraph(State)
    graph.add_node(fit).add_node(think).add_node(repair).add_node(approve).add_node(act)
    graph.add_edge(START, "fit").add_edge("fit", "think").add_edge("approve", "act")
    for node in ("think", "repair", "act"):
        graph.add_conditional_edges(node, _after, ["fit", "repair", "approve", END])
    return graph.compile(checkpointer=InMemorySaver())


async def _after(state: State) -> str:
    """The node that comes next: every call is asked for and carried out by itself."""
    if state["trouble"] and state["trouble"]["reason"]:
        return "repair"
    if unanswered(state["messages"]):
        return "approve"
    return END if state["messages"][-1]["role"] == "assistant" else "fit"


async def _result(agent: Agent, call: ToolCall, denied: str | None) -> Observation:
    if denied:
        return Observation(call.id, call.name, DENIED.format(denied), ok=False)
    return await execute(call, agent.tools, agent.context)
