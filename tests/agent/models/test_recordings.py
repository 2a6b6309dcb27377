"""Recorded traffic of providers, replayed over a socket; the SDKs' own readers are the judge."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
import yaml
from anthropic.types import ToolUseBlock
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from agent.lenient import arguments
from agent.message import calls, user
from agent.model import Reply as Got
from agent.model import Thinking, answer
from agent.models.anthropic import AnthropicModel
from agent.models.openai import OpenAIModel
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from tests.servers import anthropic_server
from tests.servers.model_server import ModelServer, Reply
from tools.call import JSON

DATA = Path(__file__).resolve().parents[3].parent / "shared/data"
Protocol = Literal["messages", "chat completions", "responses", "other"]
KEY = "sk-recorded"


@dataclass(frozen=True)
class Recording:
    name: str
    source: str
    protocol: Protocol
    reply: Reply


def recordings() -> Iterator[Recording]:
    for path in sorted(DATA.glob("wire_*/**/*.yaml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for number, entry in enumerate(content["interactions"]):
            address: str = entry["request"].get("uri") or entry["request"]["url"]
            name, answer_ = f"{path.stem}-{number}", reply(entry["response"])
            yield Recording(name, source(path, address), protocol(address), answer_)
    for path in sorted(DATA.glob("wire_anthropic_sdk/**/*.txt")):
        if path.name != "SOURCE.txt":
            yield Recording(path.stem, "anthropic-sdk", "messages", Reply(body=path.read_bytes()))


def source(path: Path, address: str) -> str:
    """Who recorded it, and of whom."""
    host = urlsplit(address).hostname or ""
    server = "llama.cpp server" if host == "localhost" else host.removeprefix("api.")
    return f"{path.relative_to(DATA).parts[0].removeprefix('wire_')}: {server}"


def protocol(address: str) -> Protocol:
    if address.endswith("/messages"):
        return "messages"
    if address.endswith("/chat/completions"):
        return "chat completions"
    return "responses" if address.endswith("/responses") else "other"


def reply(response: dict[str, Any]) -> Reply:
    """Both kinds of cassettes: vcrpy's and go-vcr's."""
    body: Any = response["body"]
    text: str | bytes = body if isinstance(body, str) else body.get("string", b"")
    headers: dict[str, list[str]] = {k.lower(): v for k, v in response["headers"].items()}
    return Reply(
        body=text.encode() if isinstance(text, str) else text,
        content_type=headers.get("content-type", ["text/event-stream"])[0],
        encoding=headers.get("content-encoding", [""])[0],
    )


ALL = list(recordings())

# A server that repeats id and name with every fragment: the SDK joins them to "00" and
# "llm_versionllm_version".
MISJUDGED: dict[str, list[tuple[str, str, dict[str, JSON]]]] = {
    "test_tools_streaming_variant_a-0": [("0", "llm_version", {})]
}


@dataclass(frozen=True)
class Expected:
    text: str
    calls: list[tuple[str, str, dict[str, JSON]]]
    stop: str
    tokens: tuple[int, int, int]
    thinking: str = ""


def of(got: Got, thinking: str) -> Expected:
    made = [(call.id, call.name, call.arguments) for call in calls(got.message)]
    usage = got.usage
    tokens = (usage.input, usage.output, usage.cached)
    return Expected(got.message["content"], made, got.stop, tokens, thinking)


STOPS = {
    "end_turn": "end", "stop_sequence": "end", "tool_use": "calls", "max_tokens": "length",
    "stop": "end", "tool_calls": "calls", "length": "length",
}  # fmt: skip


async def by_anthropic(url: str, whole: bool) -> Expected:
    client = anthropic.AsyncAnthropic(api_key=KEY, base_url=url)
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    async with client:
        create = cast(Any, client.messages)
        if whole:
            message = cast(anthropic.types.Message, await create.create(**asked))
        else:
            async with create.stream(**asked) as stream:
                message = cast(anthropic.types.Message, await stream.get_final_message())
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    blocks = message.content
    return Expected(
        "".join(block.text for block in blocks if block.type == "text"),
        [
            (block.id, block.name, cast("dict[str, JSON]", block.input))
            for block in blocks
            if isinstance(block, ToolUseBlock)
        ],
        STOPS[str(message.stop_reason)],
        (usage.input_tokens + read + written, usage.output_tokens, read),
        "".join(block.thinking for block in blocks if block.type == "thinking"),
    )


async def by_openai(url: str, whole: bool) -> Expected:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=url + "/v1")
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    thinking = ""
    async with client:
        create = cast(Any, client.chat.completions).create
        if whole:
            completion = cast(ChatCompletion, await create(**asked))
        else:
            state: Any = ChatCompletionStreamState()
            async for chunk in await create(stream=True, **asked):
                state.handle_chunk(chunk)
                for choice in chunk.choices:
                    thinking += getattr(choice.delta, "reasoning_content", None) or ""
            completion = cast(ChatCompletion, state.get_final_completion())
    message, usage = completion.choices[0].message, completion.usage
    details = usage.prompt_tokens_details if usage else None
    if whole:
        thinking = getattr(message, "reasoning_content", None) or ""
    return Expected(
        message.content or "",
        [
            (call.id, call.function.name, arguments(call.function.arguments or ""))
            for call in message.tool_calls or []
            if call.type == "function"
        ],
        # Some servers give no reason.
        STOPS[
            completion.choices[0].finish_reason or ("tool_calls" if message.tool_calls else "stop")
        ],
        (
            usage.prompt_tokens if usage else 0,
            usage.completion_tokens if usage else 0,
            (details.cached_tokens or 0) if details else 0,
        ),
        thinking,
    )


async def by_responses(url: str, whole: bool) -> Expected:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=url + "/v1")
    asked = [{"role": "user", "content": "x"}]
    async with client:
        create = cast(Any, client.responses)
        if whole:
            response = cast(Response, await create.create(model="m", input=asked))
        else:
            async with create.stream(model="m", input=asked) as stream:
                response = cast(Response, await stream.get_final_response())
    assert response.status == "completed"
    assert response.usage
    made = [
        (item.call_id, item.name, arguments(item.arguments))
        for item in response.output
        if item.type == "function_call"
    ]
    summaries = [s.text for i in response.output if i.type == "reasoning" for s in i.summary]
    usage = response.usage
    return Expected(
        response.output_text,
        made,
        "calls" if made else "end",
        (usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens),
        "\n\n".join(summaries),
    )


@pytest.mark.skipif(not ALL, reason="the shared data is not here")
@pytest.mark.parametrize("recording", ALL, ids=lambda recording: recording.name)
async def test_a_recording(recording: Recording, record_property: Callable[[str, object], None]):
    why = "a file that was fetched, no answer of a model" if recording.protocol == "other" else ""
    # For the table at the end of the run.
    record_property("recording", (recording.source, recording.protocol, why))
    if why:
        pytest.skip(why)
    whole = "json" in recording.reply.content_type
    thoughts: list[str] = []
    with ModelServer(anthropic_server.events, [recording.reply]) as server:
        if recording.protocol == "messages":
            settings, endpoint = ModelSettings(retries=0), Endpoint(server.url)
            model, judge = AnthropicModel("claude-haiku-4-5", KEY, settings, endpoint), by_anthropic
        else:
            endpoint = Endpoint(server.url + "/v1")
            responses = recording.protocol == "responses"
            kind, judge = (ResponsesModel, by_responses) if responses else (OpenAIModel, by_openai)
            model = kind("openai:gpt-4o-mini", endpoint, KEY, ModelSettings(retries=0))
        try:
            got = await answer(
                model,
                [user("x")],
                [],
                lambda event: thoughts.append(event.text) if isinstance(event, Thinking) else None,
            )
            expected = await judge(server.url, whole)
        finally:
            await model.close()
    right = MISJUDGED.get(recording.name, expected.calls)
    assert of(got, "".join(thoughts)) == replace(expected, calls=right)
    assert got.malformed is None
    assert expected.text or expected.calls


@pytest.mark.skipif(not ALL, reason="the shared data is not here")
def test_no_recording_is_left_out():
    about = {"SOURCE.txt", "LICENSE"}
    files = [path for path in DATA.glob("wire_*/**/*") if path.is_file() and path.name not in about]
    stems = {recording.name.rpartition("-")[0] or recording.name for recording in ALL}
    assert {path.stem for path in files} == stems
