import pytest

from agent.episode import Episode, Step
from agent.message import assistant, observed, system, user
from distillation.failure import KINDS, failure, failures
from sandbox.check import Outcome, Verdict
from tools.call import Observation, ToolCall

WRITE = ToolCall("1", "write_file", {"path": "a.py", "content": "x"})


def episode(told: str, diff: str = "+x", stop: str = "end", outcome: Outcome = "fail") -> Episode:
    messages = [
        system("s"),
        user("fix it"),
        assistant("I repair a.py.", [WRITE]),
        observed(Observation("1", "write_file", "Wrote a.py, 1 line.")),
        assistant("Done."),
    ]
    return Episode(
        *("e", "t", "d", "m", (), 0.0),
        steps=tuple(Step(message) for message in messages),
        stop=stop,
        diff=diff,
        verdict=Verdict(outcome, (told,)),
    )


@pytest.mark.parametrize(
    ("made", "kind", "evidence"),
    [
        (episode("E   assert 1 == 2\n1 failed in 0.01s", diff=""), 0, "E   assert 1 == 2"),
        (episode("E     File 'a.py'\nE   SyntaxError: x\n1 error"), 1, "E   SyntaxError: x"),
        (episode("NameError: name 'y' is not defined"), 1, "NameError: name 'y' is not defined"),
        (episode("FAILED (failures=1)"), 2, "FAILED (failures=1)"),
        (episode("AssertionError: 1 != 2\nFAILED", stop="steps"), 3, "AssertionError: 1 != 2"),
        (episode("E   assert 1 == 2\nE   - 1\nE   + 2", stop="steps"), 3, "E   assert 1 == 2"),
        (episode("", stop="steps"), 3, ""),
    ],
)
def test_the_first_kind_that_fits_is_the_kind(made: Episode, kind: int, evidence: str) -> None:
    found = failure(made)
    assert found is not None
    assert (found.kind, found.evidence, found.episode) == (KINDS[kind], evidence, "e")
    assert found.step == 2


def test_only_a_check_that_failed_is_a_failure() -> None:
    assert failures([episode("", outcome="pass"), episode("", outcome="unknown")]) == []


def test_evidence_is_a_short_line() -> None:
    (found,) = failures([episode("E   " + "x" * 5000)])
    assert len(found.evidence) == 300


def test_who_never_wrote_failed_at_the_last_answer() -> None:
    made = episode("no", diff="")
    talk = (*made.steps[:2], Step(assistant("There is nothing to fix.")))
    found = failure(Episode(*("e", "t", "d", "m", (), 0.0), steps=talk, verdict=made.verdict))
    assert found is not None
    assert (found.step, found.kind) == (2, "changed nothing")
