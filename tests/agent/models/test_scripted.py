import pytest

from agent.message import assistant, user
from agent.model import Malformed, ModelError, Stop, Text, answer
from agent.models.scripted import ScriptedModel, reply
from tools.call import ToolCall

CALL = ToolCall("1", "read_file", {"path": "a.py"})


async def test_replies_are_played_by_assistant_messages():
    model = ScriptedModel([reply("Look.", CALL), reply("Done.")])
    first = await answer(model, [user("x")], [])
    assert first.message == assistant("Look.", [CALL])
    assert first.stop == "calls"
    second = await answer(model, [user("x"), first.message], [])
    assert (second.message, second.stop) == (assistant("Done."), "end")


async def test_a_policy_sees_the_conversation():
    model = ScriptedModel(lambda messages, tools: [Text(messages[-1]["content"].upper())])
    assert (await answer(model, [user("abc")], [])).message == assistant("ABC")


async def test_stop_and_malformed_are_kept():
    model = ScriptedModel([[Malformed("{", "half")], [Text("no"), Stop("refusal")]])
    first = await answer(model, [user("x")], [])
    assert (first.stop, first.malformed) == ("calls", Malformed("{", "half"))
    assert (await answer(model, [user("x"), assistant("")], [])).stop == "refusal"


async def test_the_end_of_the_script_is_an_error():
    with pytest.raises(ModelError, match="0 replies"):
        await answer(ScriptedModel([]), [user("x")], [])
