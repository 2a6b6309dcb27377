from agent.episode import Episode, Step
from agent.message import Message, assistant, observed, system, user
from agent.task import Task
from distillation.pair import pairs
from sandbox.check import Check, Outcome, Verdict
from tools.call import Observation, ToolCall

TASK = Task("t", "fix it", Check((("true",),)), {"a.py": "x = 1"}, {"a.py": "x = 3"})


def wrote(content: str, path: str = "a.py") -> Message:
    call = ToolCall("1", "write_file", {"path": path, "content": content})
    return assistant("I repair a.py.", [call])


def episode(*answers: Message, outcome: Outcome = "fail") -> Episode:
    seen = observed(Observation("1", "write_file", "Wrote it."))
    messages = [system("s"), user("fix it"), *(m for a in answers for m in (a, seen))]
    return Episode(
        *("e", "t", "d", "m", (), 0.0),
        steps=tuple(Step(message) for message in messages),
        stop="end",
        diff="+x",
        verdict=Verdict(outcome),
    )


def test_the_first_wrong_file_is_set_against_the_right_one() -> None:
    (pair,) = pairs([episode(wrote("x = 3", "b.py"), wrote("x = 2"), wrote("x = 9"))], {"t": TASK})
    assert pair.rejected == wrote("x = 2")
    assert pair.chosen == wrote("x = 3")
    assert [message["role"] for message in pair.context] == ["system", "user", "assistant", "tool"]


def test_there_is_no_pair_without_a_failure_or_a_wrong_file() -> None:
    assert pairs([episode(wrote("x = 2"), outcome="pass")], {"t": TASK}) == []
    assert pairs([episode(wrote("x = 3"), assistant("Done."))], {"t": TASK}) == []
    assert pairs([episode(assistant("There is no bug."))], {"t": TASK}) == []
    assert pairs([episode(wrote("x = 2"))], {}) == []
