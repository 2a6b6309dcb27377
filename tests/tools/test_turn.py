"""The plan, questions to the user, and the end of a turn."""

from collections.abc import Sequence
from dataclasses import replace

from tools.call import JSON, Observation, ToolCall
from tools.tool import Context, execute
from tools.turn import ask_user, finish, plan

TOOLS = (plan, ask_user, finish)


async def _do(context: Context, name: str, **arguments: JSON) -> Observation:
    return await execute(ToolCall("1", name, arguments), TOOLS, context)


async def test_a_plan_is_kept_and_shown(context: Context) -> None:
    made = await _do(context, "plan", steps=["read\nthe tests", "mend", "run"])
    assert made.text == "[>] 1. read the tests\n[ ] 2. mend\n[ ] 3. run"
    assert (await _do(context, "plan", done=1)).text == (
        "[x] 1. read the tests\n[>] 2. mend\n[ ] 3. run"
    )
    assert (await _do(context, "plan", done=3)).text.count("[x]") == 3
    await context.memory.close()
    assert "There is no plan yet" in (await _do(context, "plan", done=1)).text


async def test_a_plan_that_makes_no_sense(context: Context) -> None:
    assert not (await _do(context, "plan")).ok
    many: list[JSON] = ["a"] * 31
    assert not (await _do(context, "plan", steps=many)).ok
    assert not (await _do(context, "plan", steps=["a", " "])).ok
    for done in (-1, 2):
        assert "between 0 and 1" in (await _do(context, "plan", steps=["a"], done=done)).text


async def test_a_question_reaches_the_user(context: Context) -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    async def answer(question: str, options: Sequence[str]) -> str:
        asked.append((question, options))
        return "blue"

    context = replace(context, ask=answer)
    observation = await _do(context, "ask_user", question="Which?", options=["red", "blue"])
    assert (observation.text, asked) == ("blue", [("Which?", ("red", "blue"))])
    assert not (await _do(context, "ask_user", question=" ")).ok


async def test_where_nobody_is_there_the_model_decides(context: Context) -> None:
    observation = await _do(context, "ask_user", question="Which?")
    assert observation.ok
    assert "decide yourself, and say in the end what you assumed" in observation.text


async def test_an_answer_ends_the_turn(context: Context) -> None:
    observation = await _do(context, "finish", answer="Done.")
    assert (observation.ok, observation.final) == (True, "Done.")
    assert not (await _do(context, "finish", answer="")).ok
