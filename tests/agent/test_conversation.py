"""Turns of the agent: approval, repair, limits, interruption; and what is on disk of them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.agent import Agent
from agent.approval import Mode
from agent.conversation import Conversation, begin
from agent.episode import Step
from agent.limits import EpisodeLimits
from agent.message import Message, assistant, calls, system, user
from agent.model import Event, Malformed, ModelError, Usage
from agent.models.scripted import Policy, ScriptedModel, reply
from agent.store import Store
from sandbox.backend import open_sandbox
from tools.call import Observation, ToolCall
from tools.registry import default_tools
from tools.schema import ToolSchema
from tools.tool import Context

WRITE = ToolCall("c1", "write_file", {"path": "a.txt", "content": "hello\n"})
READ = ToolCall("c2", "read_file", {"path": "a.txt"})


async def talk(
    folder: Path, script: Policy | Sequence[Sequence[Event]], mode: Mode = "ask"
) -> tuple[Conversation, list[Event | Observation]]:
    root = folder / "work"
    root.mkdir()
    store = Store(folder / "e.sqlite")
    context = Context(await open_sandbox(root), root)
    agent = Agent(ScriptedModel(script), default_tools(), context, mode)
    heard: list[Event | Observation] = []
    return Conversation(agent, store, begin(agent, store), heard.append), heard


async def end(conversation: Conversation) -> None:
    on_disk = conversation.store.episode(conversation.episode.id)
    assert on_disk.steps == conversation.episode.steps
    await conversation.agent.context.sandbox.close()
    conversation.store.close()


async def yes(waiting: Sequence[ToolCall]) -> Mapping[str, str]:
    return {}


def roles(conversation: Conversation) -> list[str]:
    return [message["role"] for message in conversation.episode.messages]


async def test_a_turn_with_approval_of_the_write_alone(tmp_path: Path) -> None:
    script = [reply("I write.", WRITE), reply("", READ), reply("Done.")]
    conversation, heard = await talk(tmp_path, script)
    asked: list[ToolCall] = []

    async def decide(waiting: Sequence[ToolCall]) -> Mapping[str, str]:
        asked.extend(waiting)
        assert not (tmp_path / "work/a.txt").exists()
        return {}

    assert await conversation.ask("Write a.txt.", decide) == "end"
    assert asked == [WRITE]
    assert (tmp_path / "work/a.txt").read_text("utf-8") == "hello\n"
    assert roles(conversation) == ["system", "user", *["assistant", "tool"] * 2, "assistant"]
    assert [event.call_id for event in heard if isinstance(event, Observation)] == ["c1", "c2"]
    await end(conversation)


async def test_a_denied_call_does_not_run_and_the_reason_reaches_the_model(tmp_path: Path) -> None:
    both = reply("", WRITE, replace(READ, arguments={"path": "."}))
    conversation, _ = await talk(tmp_path, [both, reply("I see.")])

    async def no(waiting: Sequence[ToolCall]) -> Mapping[str, str]:
        return {call.id: "use b.txt" for call in waiting}

    assert await conversation.ask("Write a.txt.", no) == "end"
    assert not (tmp_path / "work/a.txt").exists()
    assert "did not allow this: use b.txt" in conversation.episode.messages[3]["content"]
    assert conversation.episode.messages[4]["role"] == "tool"
    await end(conversation)


async def test_who_is_asked_sees_what_the_calls_before_have_done(tmp_path: Path) -> None:
    # Both calls with one id, as some models give them.
    script = [reply("", WRITE, replace(WRITE, arguments={"path": "b", "content": ""})), reply("")]
    conversation, _ = await talk(tmp_path, script)
    seen: list[tuple[object, bool]] = []

    async def look(waiting: Sequence[ToolCall]) -> dict[str, str]:
        (call,) = waiting
        seen.append((call.arguments["path"], (tmp_path / "work/a.txt").exists()))
        return {} if call.arguments["path"] == "a.txt" else {call.id: "no"}

    assert await conversation.ask("Write both.", look) == "end"
    assert seen == [("a.txt", False), ("b", True)]
    assert not (tmp_path / "work/b").exists()
    await end(conversation)


@pytest.mark.parametrize(("mode", "waits"), [("ask", True), ("edits", False), ("auto", False)])
async def test_where_nobody_can_be_asked_what_waits_is_denied(
    tmp_path: Path, mode: Mode, waits: bool
) -> None:
    conversation, _ = await talk(tmp_path, [reply("", WRITE), reply("")], mode)
    await conversation.ask("Write a.txt.")
    assert (tmp_path / "work/a.txt").exists() is not waits
    await end(conversation)


async def test_an_unreadable_call_is_told_so_and_is_never_trained(tmp_path: Path) -> None:
    broken = (*reply("Now. ", READ), Malformed('<tool_call>{"name": ', "cut short"))
    conversation, _ = await talk(tmp_path, [broken, reply("", WRITE), reply("Done.")], "auto")
    assert await conversation.ask("Write a.txt.") == "end"
    steps = conversation.episode.steps
    assert [step.trained for step in steps[2:5]] == [False, True, True]
    assert steps[2].message == assistant('Now. <tool_call>{"name": ')
    assert "cut short" in steps[3].message["content"]
    assert (tmp_path / "work/a.txt").exists()
    await end(conversation)


async def test_halves_of_characters_reach_neither_the_disk_nor_a_tool(tmp_path: Path) -> None:
    halves = ToolCall("c1", "shell", {"command": "echo \ud83d\ude00 \ud800"})
    conversation, _ = await talk(tmp_path, [reply("\ud800", halves), reply("Done.")], "auto")
    assert await conversation.ask("\udcff") == "end"
    contents = [message["content"] for message in conversation.episode.messages[1:4]]
    assert contents[:2] == ["\ufffd", "\ufffd"]
    assert "\U0001f600 \ufffd\n[exit code 0]" in contents[2]
    await end(conversation)


async def test_an_unknown_tool_and_wrong_arguments_are_observations(tmp_path: Path) -> None:
    wrong = reply("", ToolCall("c1", "fly", {}), ToolCall("c2", "read_file", {"file": 1}))
    conversation, heard = await talk(tmp_path, [wrong, reply("Done.")])
    assert await conversation.ask("Go.") == "end"
    observations = [event for event in heard if isinstance(event, Observation)]
    assert [observation.ok for observation in observations] == [False, False]
    await end(conversation)


async def test_a_second_turn_goes_on_and_only_appends(tmp_path: Path) -> None:
    seen: list[list[Message]] = []

    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        seen.append(list(messages))
        return reply("", WRITE) if len(messages) == 2 else reply("Yes.")

    conversation, _ = await talk(tmp_path, policy, "auto")
    await conversation.ask("First.")
    await conversation.ask("Second.")
    assert len(seen) == 3
    for earlier, later in pairwise(seen):
        assert later[: len(earlier)] == earlier
    await end(conversation)


async def test_a_limit_ends_the_turn_with_its_name_and_the_next_turn_starts_anew(
    tmp_path: Path,
) -> None:
    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        return reply("", ToolCall(f"c{len(messages)}", "list_files", {}))

    conversation, _ = await talk(tmp_path, policy)
    conversation.limits = EpisodeLimits(steps=2, repeats=9)
    assert await conversation.ask("Loop.") == "limit: steps"
    assert await conversation.ask("Loop.") == "limit: steps"
    conversation.limits = EpisodeLimits()
    assert await conversation.ask("Loop.") == "limit: repeated calls"
    await end(conversation)


async def test_a_cancelled_turn_leaves_no_call_without_a_result(tmp_path: Path) -> None:
    sleep = ToolCall("c1", "shell", {"command": "sleep 30"})
    conversation, _ = await talk(tmp_path, [reply("", sleep, READ), reply("Hello.")], "auto")
    turn = asyncio.create_task(conversation.ask("Sleep."))
    while "assistant" not in roles(conversation):
        await asyncio.sleep(0.01)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert roles(conversation) == ["system", "user", "assistant", "tool", "tool"]
    assert await conversation.ask("Are you there?") == "end"
    await end(conversation)


async def test_a_conversation_goes_on_after_a_kill_in_the_middle_of_a_call(tmp_path: Path) -> None:
    conversation, _ = await talk(tmp_path, [reply("", WRITE), reply("Hello again.")], "auto")
    past = [system("s"), user("Write."), assistant("", [WRITE])]
    for n, message in enumerate(past):
        conversation.store.append(conversation.episode.id, n, Step(message))
    steps = tuple(Step(message) for message in past)
    conversation.episode = replace(conversation.episode, steps=steps)
    assert await conversation.ask("Are you there?") == "end"
    assert roles(conversation) == ["system", "user", "assistant", "tool", "user", "assistant"]
    assert "Interrupted" in conversation.episode.messages[3]["content"]
    await end(conversation)


async def test_a_model_that_fails_in_the_middle_leaves_what_was_done(tmp_path: Path) -> None:
    conversation, _ = await talk(tmp_path, [reply("", WRITE)], "auto")
    with pytest.raises(ModelError, match="one more was asked for"):
        await conversation.ask("Write a.txt.")
    assert roles(conversation)[-1] == "tool"
    await end(conversation)


async def test_after_a_turn_without_an_answer_the_user_does_not_speak_twice(tmp_path: Path) -> None:
    shown: list[Message] = []

    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        shown[:] = messages
        if len(asked) == 1:
            raise ModelError("It is down.")
        return reply("Done.")

    conversation, _ = await talk(tmp_path, policy)
    asked = ["Look."]
    with pytest.raises(ModelError, match="down"):
        await conversation.ask(asked[0])
    asked.append("Look again.")
    assert await conversation.ask(asked[-1]) == "end"
    # Strict chat templates refuse two messages of the user in a row, and would for ever.
    assert [message["role"] for message in shown] == ["system", "user"]
    assert shown[-1]["content"] == "Look.\n\nLook again."
    assert roles(conversation) == ["system", "user", "user", "assistant"]
    await end(conversation)


async def test_usage_is_recorded_with_the_answer_it_paid_for(tmp_path: Path) -> None:
    script = [(*reply("", READ), Usage(10, 2, 0, 0.5)), (*reply("Done."), Usage(14, 1, 12, 0.25))]
    conversation, _ = await talk(tmp_path, script)
    await conversation.ask("Read.")
    assert conversation.episode.usage == Usage(24, 3, 12, 0.75)
    assert all(
        calls(s.message) or s.usage == Usage(14, 1, 12, 0.25)
        for s in conversation.episode.steps
        if s.usage.input
    )
    await end(conversation)


async def test_two_hundred_steps_stay_small_on_disk(tmp_path: Path) -> None:
    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        if len(messages) > 400:
            return reply("Done.")
        name = "list_files" if len(messages) % 4 else "read_file"
        arguments = {"path": "."} if name == "read_file" else {}
        return reply("x" * 1000, ToolCall(f"c{len(messages)}", name, dict(arguments)))

    conversation, _ = await talk(tmp_path, policy)
    conversation.limits = EpisodeLimits(steps=300)
    assert await conversation.ask("Go.") == "end"
    await end(conversation)
    # 400 messages of about 1.3 kB; a checkpoint a step would have been a hundred megabytes.
    assert (tmp_path / "e.sqlite").stat().st_size < 1_500_000
