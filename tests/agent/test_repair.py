"""The repair ladder: what is said of a bad call, what is recorded, that none ends silently."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.corrections import corrections, imitable
from agent.formats import FORMATS, Format
from agent.message import Message, assistant, calls
from agent.model import Event, Malformed, Required, Text
from agent.models.openai import OpenAIModel
from agent.models.scripted import ScriptedModel, reply
from agent.models.settings import Endpoint, ModelSettings
from agent.parse import parse
from assistant.stops import ended_early
from tests.agent.test_conversation import READ, WRITE, end, roles, talk
from tests.agent.test_parse import identity, rendered
from tests.servers import openai_server
from tests.servers.model_server import Fault, ModelServer, Reply
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

BAD = Malformed('<tool_call>{"name": "write_file", ', "it breaks off")


@pytest.mark.parametrize("form", FORMATS)
async def test_a_model_whose_calls_are_never_readable_ends_in_a_sentence(
    tmp_path: Path, form: Format
) -> None:
    written = rendered(form, [ToolCall(identity(form, 0), "write_file", {"path": "a", "n": "bb"})])
    parsed = parse(written[: written.index("bb") + 1], form)

    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> list[Event]:
        return [Text(parsed.text), *parsed.events]

    conversation, heard = await talk(tmp_path, policy, "auto")
    assert await conversation.ask("Write a.") == "limit: unreadable calls"
    assert ended_early("limit: unreadable calls").endswith("calls could not be read.")
    assert roles(conversation) == ["system", "user", *["assistant", "user"] * 3]
    assert sum(isinstance(event, Malformed) for event in heard) == 3
    assert not any(step.trained for step in conversation.episode.steps[2::2])
    assert not corrections(conversation.episode)
    await end(conversation)


async def test_an_unreadable_call_is_told_how_the_tool_is_called(tmp_path: Path) -> None:
    conversation, _ = await talk(tmp_path, [[BAD], reply("", WRITE), reply("Done.")], "auto")
    assert await conversation.ask("Write a.txt.") == "end"
    steps = conversation.episode.steps
    assert "it breaks off" in steps[3].message["content"]
    assert "Call write_file(path: str, content: str)." in steps[3].message["content"]
    assert (steps[4].repair, steps[4].corrects, steps[4].trained) == ("schema", 2, True)
    (pair,) = corrections(conversation.episode)
    assert (list(pair.context), pair.bad) == (conversation.episode.messages[:2], steps[2].message)
    assert (pair.corrected, pair.model) == (assistant("", [WRITE]), "scripted")
    await end(conversation)


async def test_where_no_tool_is_recognisable_all_are_named(tmp_path: Path) -> None:
    script = [[Malformed("<tool_call>oops", "there is no object")], reply("I leave it.")]
    conversation, _ = await talk(tmp_path, script)
    assert await conversation.ask("Go.") == "end"
    assert "The tools are read_file, write_file" in conversation.episode.messages[3]["content"]
    assert [step.corrects for step in conversation.episode.steps] == [None] * 5
    await end(conversation)


async def test_what_can_be_read_leniently_runs_and_is_a_pair(tmp_path: Path) -> None:
    text = "Now.\n<tool_call>{'name': 'write_file', 'arguments': {'path': 'a.txt', 'content': ''}}"
    parsed = parse(text, "hermes", message=2)
    # What is read leniently is an answer of its own, so the script's second one is never played.
    script = [[Text(parsed.text), *parsed.events], (), reply("Done.")]
    conversation, _ = await talk(tmp_path, script, "auto")
    assert await conversation.ask("Write a.txt.") == "end"
    assert (tmp_path / "work/a.txt").exists()
    assert roles(conversation)[2:] == ["assistant", "user", "assistant", "tool", "assistant"]
    (pair,) = corrections(conversation.episode)
    assert pair.bad["content"] == text.replace("\n", "")
    assert pair.corrected == assistant("Now.", parsed.calls)
    assert pair.repair == "lenient"
    assert imitable(conversation.episode)[2:] == [False, False, True, False, True]
    await end(conversation)


async def test_lenient_reading_does_not_use_up_the_limit(tmp_path: Path) -> None:
    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        call = ToolCall(f"c{len(messages)}", "read_file", {"path": f"{len(messages)}"})
        return [Malformed("{oops}", "a slip", (call,))] if len(messages) < 22 else reply("Done.")

    conversation, _ = await talk(tmp_path, policy)
    assert await conversation.ask("Go.") == "end"
    assert len(corrections(conversation.episode)) == 5
    await end(conversation)


async def test_a_lenient_call_that_cannot_run_is_not_trained_either(tmp_path: Path) -> None:
    wrong = replace(WRITE, arguments={"file": "a.txt"})
    script = [[Malformed("{oops}", "a slip", (wrong,))], (), reply("", WRITE), reply("Done.")]
    conversation, _ = await talk(tmp_path, script, "auto")
    assert await conversation.ask("Go.") == "end"
    assert imitable(conversation.episode).index(True) == 6
    assert [pair.corrected for pair in corrections(conversation.episode)] == [
        assistant("", [WRITE])
    ] * 2
    await end(conversation)


@pytest.mark.parametrize(
    "wrong",
    [
        ToolCall("c1", "writefile", {"path": "a.txt", "content": "hello\n"}),
        ToolCall("c1", "write_file", {"path": "a.txt"}),
        ToolCall("c1", "write_file", {"path": "a.txt", "content": "", "mode": "w"}),
        ToolCall("c1", "write_file", {"path": "a.txt", "content": ["hello"]}),
    ],
)
async def test_a_call_that_cannot_run_asks_nobody_and_is_a_pair(
    tmp_path: Path, wrong: ToolCall
) -> None:
    script = [reply("", wrong), reply("", WRITE), reply("Done.")]
    conversation, heard = await talk(tmp_path, script)
    asked: list[ToolCall] = []

    async def decide(waiting: Sequence[ToolCall]) -> dict[str, str]:
        asked.extend(waiting)
        return {}

    assert await conversation.ask("Write a.txt.", decide) == "end"
    assert asked == [WRITE]
    observed = next(event for event in heard if isinstance(event, Observation))
    assert not observed.ok
    assert "write_file(path: str, content: str)" in observed.text
    (pair,) = corrections(conversation.episode)
    assert (calls(pair.bad), pair.corrected) == ([wrong], assistant("", [WRITE]))
    assert imitable(conversation.episode)[2:5:2] == [False, True]
    await end(conversation)


async def test_another_call_corrects_nothing(tmp_path: Path) -> None:
    wrong = replace(READ, arguments={})
    script = [reply("", wrong), reply("", WRITE), reply("", READ), reply("Done.")]
    conversation, _ = await talk(tmp_path, script, "auto")
    assert await conversation.ask("Go.") == "end"
    assert not corrections(conversation.episode)
    assert imitable(conversation.episode)[2:9:2] == [False, True, True, True]
    await end(conversation)


class Held(ScriptedModel):
    """A model that can be held to a call, and writes down when it was."""

    requires = True
    held: tuple[bool, ...] = ()

    def stream(self, messages: Sequence[Message], tools: Sequence[ToolSchema]):
        self.held += (isinstance(tools, Required),)
        return super().stream(messages, tools)


async def test_a_model_that_can_be_held_to_a_call_is_asked_again_that_way_first(
    tmp_path: Path,
) -> None:
    conversation, _ = await talk(tmp_path, [])
    model = conversation.agent.model = Held([[BAD], [BAD], reply("", READ), reply("Done.")])
    assert await conversation.ask("Go.") == "end"
    assert model.held == (False, True, False, False)
    told = [m["content"] for m in conversation.episode.messages if m["role"] == "user"][1:]
    assert ["Call write_file" in text for text in told] == [False, True]
    # It gave up what it was asked for: no pair.
    assert not corrections(conversation.episode)
    await end(conversation)


BROKEN = Reply(calls=[{"name": "write_file", "arguments": '{"path": "a.txt", "content": "he'}])
GOOD = Reply(calls=[{"name": "write_file", "arguments": WRITE.arguments}])


@pytest.mark.parametrize("refused", [False, True])
async def test_an_endpoint_is_held_to_a_call_unless_it_refuses(
    tmp_path: Path, refused: bool
) -> None:
    fault = {1: Fault("status", 400, body={"error": {"message": "no tool_choice"}})}
    server = ModelServer(
        openai_server.events, [BROKEN, GOOD, Reply("Done.")], fault if refused else {}
    )
    with server:
        model = OpenAIModel("it:m", Endpoint(server.url), "", ModelSettings())
        conversation, _ = await talk(tmp_path, [])
        conversation.agent.model, conversation.agent.mode = model, "auto"
        assert await conversation.ask("Write a.txt.") == "end"
        await model.close()
    chosen = [request.get("tool_choice") for request in server.requests]
    assert chosen == [None, "required", *[None] * (1 + refused)]
    assert (tmp_path / "work/a.txt").read_text("utf-8") == "hello\n"
    (pair,) = corrections(conversation.episode)
    assert (pair.repair, pair.corrected["content"]) == ("constrained", "")
    await end(conversation)


async def test_a_slip_in_a_providers_arguments_is_forgiven(tmp_path: Path) -> None:
    slip = Reply(calls=[{"name": "write_file", "arguments": "{'path': 'a.txt', content: 'x',}}"}])
    with ModelServer(openai_server.events, [slip, Reply("?"), Reply("Done.")]) as server:
        model = OpenAIModel("it:m", Endpoint(server.url), "", ModelSettings())
        conversation, _ = await talk(tmp_path, [])
        conversation.agent.model, conversation.agent.mode = model, "auto"
        assert await conversation.ask("Write a.txt.") == "end"
        await model.close()
    assert (tmp_path / "work/a.txt").read_text("utf-8") == "x"
    assert [pair.repair for pair in corrections(conversation.episode)] == ["lenient"]
    await end(conversation)
