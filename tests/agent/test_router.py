"""Escalation: when a teacher takes over, when it may not, what it costs and what is recorded."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.conversation import Conversation
from agent.corrections import corrections, imitable
from agent.limits import Budget, EpisodeLimits
from agent.message import Message, assistant, calls
from agent.model import ContextFull, Event, Malformed, ModelError, Notice, Stop, Usage
from agent.models.scripted import Policy, ScriptedModel, reply
from agent.router import Escalation, When
from sandbox.refused import Refused
from tests.agent.test_conversation import WRITE, end, talk
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

LIST = ToolCall("l", "list_files", {})
TEACHER = "teacher"
COST = Usage(100, 10, cost=0.25)


def repeats(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
    return reply("", replace(LIST, id=f"c{len(messages)}"))


def fails(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
    return reply("", ToolCall(f"c{len(messages)}", "read_file", {"path": f"{len(messages)}.txt"}))


def stumbles(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
    return [Malformed(f"<tool_call>{len(messages)}", "it is no JSON")]


def guesses(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
    return [*reply("", replace(LIST, id="c2")), Stop("calls", confidence=0.2)]


def wanders(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
    return reply("", ToolCall(f"c{len(messages)}", "search", {"pattern": "x" * len(messages)}))


def teaches(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
    written = any(call.name == "write_file" for message in messages for call in calls(message))
    return (*(reply("Done.") if written else reply("", WRITE)), COST)


async def taught(
    folder: Path,
    student: Policy,
    when: When = "always",
    teacher: Policy = teaches,
    answer: str = "yes",
    **changes: Any,
) -> tuple[Conversation, list[str], list[str]]:
    """A conversation with a teacher; the notices, and the questions that were put to the user."""
    conversation, _ = await talk(folder, student, "auto")
    notices, questions = list[str](), list[str]()

    def listen(event: Event | Observation) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    async def opened() -> ScriptedModel:
        return ScriptedModel(teacher, TEACHER)

    async def ask(question: str, options: Sequence[str]) -> str:
        questions.append(question)
        return answer

    terms = Escalation("claude", opened, when, Budget(1.0), ask)
    conversation.listen, conversation.escalation = listen, replace(terms, **changes)
    return conversation, notices, questions


@pytest.mark.parametrize(
    ("student", "reason", "since", "first"),
    [
        (repeats, "asked for the same 2 times running", 4, 6),
        (fails, "met the same failure 3 times", 4, 8),
        (stumbles, "wrote calls that cannot be read 2 times running", 2, 6),
        (guesses, "was not sure of its last call (20%)", 2, 4),
        (wanders, "has taken 3 of 4 steps", 6, 8),
    ],
)
async def test_each_trigger(
    tmp_path: Path, student: Policy, reason: str, since: int, first: int
) -> None:
    conversation, notices, questions = await taught(tmp_path, student)
    conversation.limits = EpisodeLimits(steps=4 if student is wanders else 40)
    # Two more steps are needed where four are all there are.
    stop = "limit: steps" if student is wanders else "end"
    assert await conversation.ask("Write a.txt.") == stop
    assert notices == [f"scripted {reason}: teacher takes over until the end of the turn"]
    assert not questions
    assert (tmp_path / "work/a.txt").exists()
    steps = conversation.episode.steps
    authors = [step.model for step in steps if step.message["role"] == "assistant"]
    assert authors == [""] * authors.count("") + [TEACHER] * (2 - (student is wanders))
    assert (steps[first].model, steps[first].repair) == (TEACHER, "teacher")
    assert steps[first].corrects == since
    pairs = corrections(conversation.episode)
    assert {(pair.model, pair.repair) for pair in pairs} == {(TEACHER, "teacher")}
    assert list(pairs[0].context) == conversation.episode.messages[:since]
    assert pairs[0].corrected == assistant("", [WRITE])
    trained = imitable(conversation.episode)
    assert not any(trained[since:first])
    assert all(trained[at] for at in range(2, since, 2))
    assert trained[first]
    assert conversation.escalation
    assert conversation.escalation.driving == ""
    await end(conversation)


async def test_a_teacher_whose_window_is_smaller_corrects_all_the_same(tmp_path: Path) -> None:
    full = ["It is too long."]

    def rambles(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        return [*reply("x" * 3000), *repeats(messages, tools)]

    def narrow(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        if full:
            raise ContextFull(full.pop())
        return teaches(messages, tools)

    conversation, _, _ = await taught(tmp_path, rambles, teacher=narrow)
    assert await conversation.ask("Write a.txt.") == "end"
    assert any("kept_from" in message for message in conversation.episode.messages)
    assert {pair.bad["content"][:1] for pair in corrections(conversation.episode)} == {"x"}
    assert corrections(conversation.episode)[0].corrected == assistant("", [WRITE])
    await end(conversation)


async def test_a_teacher_may_slip_as_often_as_anybody(tmp_path: Path) -> None:
    def slips(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        answers = sum(message["role"] == "assistant" for message in messages)
        return stumbles(messages, tools) if answers < 4 else teaches(messages, tools)

    conversation, _, _ = await taught(tmp_path, stumbles, teacher=slips)
    # Two unreadable calls are the student's, two are the teacher's; three running are the limit.
    assert await conversation.ask("Write a.txt.") == "end"
    assert (tmp_path / "work/a.txt").exists()
    await end(conversation)


async def test_what_was_forgiven_the_teacher_is_recorded_as_the_teachers(tmp_path: Path) -> None:
    def slips(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        written = any(call.name == "write_file" for message in messages for call in calls(message))
        return reply("Done.") if written else [Malformed("{oops}", "a slip", (WRITE,))]

    conversation, _, _ = await taught(tmp_path, repeats, teacher=slips)
    assert await conversation.ask("Write a.txt.") == "end"
    forgiven = next(step for step in conversation.episode.steps if step.repair == "lenient")
    assert (forgiven.model, forgiven.message) == (TEACHER, assistant("", [WRITE]))
    await end(conversation)


async def test_the_next_turn_begins_with_the_student(tmp_path: Path) -> None:
    conversation, notices, _ = await taught(tmp_path, repeats)
    await conversation.ask("Write a.txt.")
    before = len(conversation.episode.steps)
    await conversation.ask("Again.")
    assert conversation.episode.steps[before + 1].model == ""
    assert len(notices) == 2
    await end(conversation)


async def test_a_forbidden_teacher_never_drives_and_no_teacher_is_opened(tmp_path: Path) -> None:
    async def unwanted() -> ScriptedModel:
        raise AssertionError

    conversation, notices, questions = await taught(tmp_path, repeats, "never", open=unwanted)
    assert await conversation.ask("Go.") == "limit: repeated calls"
    assert (notices, questions) == ([], [])
    await end(conversation)


async def test_asked_first_the_user_may_say_yes(tmp_path: Path) -> None:
    conversation, notices, questions = await taught(tmp_path, repeats, "ask")
    assert await conversation.ask("Go.") == "end"
    assert questions == [
        "scripted asked for the same 2 times running. "
        "May claude take over for this turn? It may cost $1.00."
    ]
    assert "takes over" in notices[0]
    await end(conversation)


async def test_a_no_holds_for_the_turn(tmp_path: Path) -> None:
    conversation, notices, questions = await taught(tmp_path, repeats, "ask", answer="no")
    assert await conversation.ask("Go.") == "limit: repeated calls"
    assert len(questions) == 1
    assert "it goes on, since claude may not take over" in notices[0]
    assert not any(step.model for step in conversation.episode.steps)
    await conversation.ask("Go.")
    assert len(questions) == 2
    await end(conversation)


async def test_by_hand_the_teacher_drives_from_the_first_step(tmp_path: Path) -> None:
    conversation, notices, questions = await taught(tmp_path, repeats, "never", by_hand=True)
    assert await conversation.ask("Write a.txt.") == "end"
    assert "scripted hands over, as you wanted: teacher takes over" in notices[0]
    assert not questions
    assert [step.model for step in conversation.episode.steps[2::2]] == [TEACHER, TEACHER]
    assert not corrections(conversation.episode)
    assert await conversation.ask("And now?") == "limit: repeated calls"
    await end(conversation)


async def test_the_cap_holds_and_the_student_goes_on(tmp_path: Path) -> None:
    def dear(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        return (*wanders(messages, tools), COST)

    conversation, notices, _ = await taught(tmp_path, repeats, teacher=dear, budget=Budget(0.6))
    assert await conversation.ask("Go.") == "limit: repeated calls"
    assert conversation.escalation
    # Over by less than one request.
    assert conversation.escalation.budget.spent == 0.75
    assert notices[1] == "scripted drives again: the $0.60 that claude may cost are used up"
    assert [step.model for step in conversation.episode.steps].count(TEACHER) == 3
    await conversation.ask("Go.")
    assert notices[2].endswith("times running; the $0.60 that claude may cost are used up")
    assert conversation.escalation.budget.spent == 0.75
    await end(conversation)


async def test_without_a_known_price_a_cap_cannot_be_held(tmp_path: Path) -> None:
    def unpriced(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        return (*wanders(messages, tools), Usage(cost=None))

    conversation, notices, _ = await taught(tmp_path, repeats, teacher=unpriced)
    await conversation.ask("Go.")
    assert "no price is known for claude" in notices[1]
    assert [step.model for step in conversation.episode.steps].count(TEACHER) == 1
    await end(conversation)


async def test_a_teacher_that_cannot_be_opened_or_reached_leaves_the_student_to_it(
    tmp_path: Path,
) -> None:
    async def locked() -> ScriptedModel:
        raise Refused("There is no key.")

    def down(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        raise ModelError("teacher cannot be reached.")

    conversation, notices, _ = await taught(tmp_path, repeats, teacher=down)
    assert await conversation.ask("Go.") == "limit: repeated calls"
    assert notices[1] == "scripted drives again: teacher cannot be reached."
    assert conversation.escalation
    conversation.escalation = replace(conversation.escalation, open=locked, _model=None)
    assert await conversation.ask("Go.") == "limit: repeated calls"
    assert notices[2].endswith("claude cannot take over: There is no key.")
    assert not any(step.model or step.corrects for step in conversation.episode.steps)
    await end(conversation)


async def test_a_denied_call_is_no_failure_of_the_student(tmp_path: Path) -> None:
    def writes(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        path = f"{len(messages)}.txt"
        call = ToolCall(path, "write_file", {"path": path, "content": ""})
        return reply("", call) if len(messages) < 12 else reply("I may not.")

    conversation, notices, _ = await taught(tmp_path, writes)
    conversation.agent.mode = "ask"
    assert await conversation.ask("Go.") == "end"
    assert notices == []
    await end(conversation)
