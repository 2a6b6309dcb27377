"""A real local model that does not get on, and a history that two models have written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from agent.conversation import Conversation
from agent.corrections import corrections
from agent.limits import Budget
from agent.message import Message, assistant, observed, system, user
from agent.model import Event, Notice, Stop, answer
from agent.models.anthropic_request import request as claude
from agent.models.llama import LlamaModel
from agent.models.openai_request import request as chat
from agent.models.responses_request import request as responses
from agent.models.scripted import ScriptedModel, reply
from agent.models.settings import ModelSettings
from agent.router import Escalation
from tests.agent.models.conftest import Tell
from tests.agent.test_conversation import end, talk
from tools.call import JSON, Observation, ToolCall
from tools.schema import ToolSchema

SETTINGS = ModelSettings(max_tokens=400, temperature=1.0, seed=1, threads=1, context=4096)


async def relieved(folder: Path, gguf: Path) -> tuple[Conversation, list[str]]:
    """A turn of a student with a teacher that says "Done."; the notices."""
    conversation, _ = await talk(folder, [], "auto")
    notices = list[str]()

    def listen(event: Event | Observation) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    async def opened() -> ScriptedModel:
        return ScriptedModel(lambda messages, tools: reply("Done."), "teacher")

    student = conversation.agent.model = LlamaModel(gguf, settings=SETTINGS)
    kept = ("list_files",)
    conversation.agent.tools = tuple(t for t in conversation.agent.tools if t.name in kept)
    conversation.listen = listen
    conversation.escalation = Escalation("claude", opened, "always", Budget(1.0))
    try:
        assert await conversation.ask("Go.") == "end"
    finally:
        await student.close()
    return conversation, notices


CALL = ["<tool_call>", '{"name": "list_files", ', '"arguments": {}}', "</tool_call>"]
AGAIN = [f"{piece} " for piece in CALL]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"\n": CALL, "<|after_tool|>": AGAIN}, "asked for the same 2 times running"),
        # Behind the mark it knows nothing: what the grammar lets through is chance.
        ({"\n": CALL[:1], "<|after_tool|>": ["No."]}, "was not sure of its last call (0%)"),
    ],
)
async def test_who_does_not_get_on_is_relieved(
    tmp_path: Path, told: Tell, answers: dict[str, Sequence[str]], reason: str
) -> None:
    conversation, notices = await relieved(tmp_path, told(answers))
    assert notices == [f"local:told {reason}: teacher takes over until the end of the turn"]
    (pair,) = corrections(conversation.episode)
    assert "list_files" in json.dumps(pair.bad)
    assert (pair.corrected, pair.model) == (assistant("Done."), "teacher")
    assert conversation.episode.model == "scripted"
    await end(conversation)


async def test_sure_of_what_it_was_told_and_of_nothing_else(told: Tell) -> None:
    tools: list[ToolSchema] = [
        {
            "type": "function",
            "function": {"name": "list_files", "description": "", "parameters": {}},
        }
    ]
    for answer_, low, high in ((CALL, 0.99, 1.0), (CALL[:1], 0.0, 0.01)):
        model = LlamaModel(told({"\n": answer_}), settings=SETTINGS)
        stop = [event async for event in model.stream([user("Go")], tools)][-1]
        await model.close()
        assert isinstance(stop, Stop)
        assert stop.confidence is not None
        assert low <= stop.confidence <= high


async def test_what_a_teacher_thought_is_no_trouble_to_others(told: Tell) -> None:
    kept: dict[str, JSON] = {
        "anthropic": {"layout": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}]}
    }
    thought = assistant("", [ToolCall("toolu_01A", "list_files")]) | {"provider": kept}
    history: list[Message] = [
        system("Be brief."),
        user("Go."),
        assistant("", [ToolCall("call_2_0", "list_files")]),
        observed(Observation("call_2_0", "list_files", "a.py")),
        cast("Message", thought),
        observed(Observation("toolu_01A", "list_files", "a.py")),
        assistant("Done."),
        user("And now?"),
    ]
    for made in (chat(history, []), responses(history, [], "gpt")):
        assert "Hm." not in json.dumps(made)
    assert claude(history, [])["messages"][1]["content"][0]["type"] == "tool_use"
    model = LlamaModel(told({"\n": ["Yes."]}), settings=SETTINGS)
    try:
        assert (await answer(model, history, [])).message == assistant("Yes.")
    finally:
        await model.close()
