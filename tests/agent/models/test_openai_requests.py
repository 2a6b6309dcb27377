"""What OpenAI's two protocols are sent: effort, and histories of which only the end is encoded."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.message import Message, assistant, calls, observed, system, user
from agent.model import ModelError, answer
from agent.models.encoded import History, body
from agent.models.openai import OpenAIModel
from agent.models.openai_request import request as chat
from agent.models.responses import ResponsesModel
from agent.models.responses_request import request as responses
from agent.models.settings import Endpoint, ModelSettings
from tests.servers import openai_server
from tests.servers.model_server import Fault, ModelServer, Reply
from tools.call import Observation, ToolCall

KINDS = [OpenAIModel, ResponsesModel]


async def sent(
    kind: type[OpenAIModel], settings: ModelSettings, faults: dict[int, Fault] | None = None
) -> list[dict[str, Any]]:
    with ModelServer(openai_server.events, [Reply("Hi.")], faults) as server:
        model = kind("openai:gpt-x", Endpoint(server.url + "/v1"), "k", settings)
        try:
            await answer(model, [user("x")], [])
        finally:
            await model.close()
        return server.requests


async def test_effort_is_asked_for_in_each_protocols_words() -> None:
    low = ModelSettings(effort="low")
    assert [r["reasoning_effort"] for r in await sent(OpenAIModel, low)] == ["low"]
    (asked,) = await sent(ResponsesModel, low)
    assert asked["reasoning"] == {"effort": "low", "summary": "auto"}
    plain = [(await sent(kind, ModelSettings()))[0] for kind in KINDS]
    assert "reasoning_effort" not in plain[0]
    assert plain[1]["reasoning"] == {"summary": "auto"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wish", ["reasoning", "reasoning.effort", "reasoning_effort"])
async def test_an_effort_that_is_refused_is_told(kind: type[OpenAIModel], wish: str) -> None:
    error = {"param": wish, "message": "This model takes no effort."}
    faults = dict.fromkeys(range(5), Fault("status", 400, body={"error": error}))
    with pytest.raises(ModelError, match="takes no effort"):
        await sent(kind, ModelSettings(effort="high"), faults)


async def test_without_an_effort_reasoning_that_is_refused_is_left_out() -> None:
    error = {"param": "reasoning.summary", "message": "Verify your organization."}
    asked = await sent(
        ResponsesModel, ModelSettings(), {0: Fault("status", 400, body={"error": error})}
    )
    assert [request.get("reasoning") for request in asked] == [{"summary": "auto"}, None]


words = st.text(max_size=8)
values = st.one_of(words, st.integers(), st.lists(words, max_size=2))
made = st.builds(ToolCall, words, words, st.fixed_dictionaries({"a": values}))
message = st.one_of(
    st.builds(system, words),
    st.builds(user, words),
    st.builds(assistant, words, st.lists(made, max_size=2)),
    st.builds(Observation, words, words, words).map(observed),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(message, min_size=1, max_size=6), min_size=1, max_size=4), st.data())
def test_a_history_is_encoded_as_if_it_were_encoded_anew(
    talks: list[list[Message]], data: st.DataObject
) -> None:
    kept = History(lambda one: responses([one], [], "m")["input"])
    plain = History(lambda one: chat([one], [])["messages"])
    for _ in range(8):
        messages = talks[data.draw(st.integers(0, len(talks) - 1))]
        if data.draw(st.booleans()):
            messages.append(data.draw(message))
        else:
            # A message that was changed is encoded as it is now.
            at = data.draw(st.integers(0, len(messages) - 1))
            messages[at]["content"] = data.draw(words)
        shown = messages[: data.draw(st.integers(1, len(messages)))]
        assert decoded(kept(shown)) == responses(shown, [], "m")["input"]
        assert decoded(plain(shown)) == chat(shown, [])["messages"]


def decoded(elements: bytes) -> list[dict[str, Any]]:
    whole = json.loads(body({"model": "m", "input": []}, input=elements))
    assert whole["model"] == "m"
    return whole["input"]


def test_only_what_is_new_is_encoded() -> None:
    seen: list[Message] = []

    def wire(one: Message) -> Sequence[dict[str, Any]]:
        seen.append(one)
        return chat([one], [])["messages"]

    history, messages = History(wire), [system("s"), user("u")]
    for number in range(3):
        messages.append(assistant(str(number), [ToolCall("c", "f", {"x": [number]})]))
        call = calls(messages[-1])[0]
        messages.append(observed(Observation(call.id, call.name, "ok")))
        history(messages)
    # As they come back from a checkpoint.
    history(json.loads(json.dumps(messages)))
    assert len(seen) == len(messages)
    assert [replace(call) for call in calls(seen[-2])] == calls(messages[-2])
