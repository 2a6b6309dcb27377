"""Pictures reach the models that can see, and are told of to those that cannot."""

from collections.abc import Callable
from typing import Any

import pytest

from agent.message import Image, Message, assistant, blind, observed, user
from agent.model import answer
from agent.models.anthropic import AnthropicModel
from agent.models.openai import OpenAIModel
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from agent.template import render
from tests.servers import anthropic_server, openai_server
from tests.servers.model_server import ModelServer, Reply
from tools.call import Observation, ToolCall

PICTURE: Image = {"media_type": "image/png", "data": "iVBORw0KGgo="}
URL = "data:image/png;base64,iVBORw0KGgo="
UNSEEN = "(A picture was attached here, which you cannot see.)"


def history() -> list[Message]:
    shot = observed(Observation("a", "look", "A window."))
    shot["images"] = [PICTURE]
    call = assistant("", [ToolCall("a", "look")])
    return [user("What is this?", [PICTURE]), call, shot, user("", [PICTURE])]


def chat(url: str, settings: ModelSettings) -> OpenAIModel:
    return OpenAIModel("o:m", Endpoint(url + "/v1"), "k", settings)


def responses(url: str, settings: ModelSettings) -> ResponsesModel:
    return ResponsesModel("o:m", Endpoint(url + "/v1"), "k", settings)


async def sent(make: Callable[[str, ModelSettings], Any], events: Any) -> Any:
    with ModelServer(events, [Reply("A."), Reply("A.")]) as server:
        model = make(server.url, ModelSettings(retries=0))
        try:
            await answer(model, history(), [])
        finally:
            await model.close()
    return server.requests[0]


async def test_claude_sees_them():
    def claude(url: str, settings: ModelSettings) -> AnthropicModel:
        return AnthropicModel("m", "k", settings, Endpoint(url))

    turns = (await sent(claude, anthropic_server.events))["messages"]
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE["data"]}
    image = {"type": "image", "source": source}
    assert [block["type"] for block in turns[0]["content"]] == ["text", "image"]
    assert turns[0]["content"][1]["source"] == source
    result, last = turns[2]["content"]
    assert result["content"] == [{"type": "text", "text": "A window."}, image]
    assert last["source"] == source


async def test_chat_completions_sees_those_of_users():
    messages = (await sent(chat, openai_server.events))["messages"]
    image = {"type": "image_url", "image_url": {"url": URL}}
    assert messages[0]["content"] == [{"type": "text", "text": "What is this?"}, image]
    assert messages[2]["content"] == f"A window.\n{UNSEEN}"
    assert messages[3]["content"] == [image]


async def test_the_responses_api_sees_them():
    items = (await sent(responses, openai_server.events))["input"]
    image = {"type": "input_image", "detail": "auto", "image_url": URL}
    assert items[0]["content"] == [{"type": "input_text", "text": "What is this?"}, image]
    assert items[2]["output"] == [{"type": "input_text", "text": "A window."}, image]
    assert items[3]["content"] == [image]


def test_templates_are_told_of_them():
    template = "{% for m in messages %}{{ m.content }}{{ m.images }}{% endfor %}"
    text = render(template, [user("Look.", [PICTURE])], add_generation_prompt=False)
    assert text == f"Look.\n{UNSEEN}"


@pytest.mark.parametrize("text", ["", "Look."])
def test_who_cannot_see_is_told(text: str):
    message = user(text, [PICTURE])
    assert blind(message) == user(f"{text}\n{UNSEEN}".strip())
    assert message.get("images") == [PICTURE]
    assert blind(user("x")) == user("x")
