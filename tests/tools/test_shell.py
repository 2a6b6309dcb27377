"""Running commands and code."""

import pytest

from tests.tools.calling import Call
from tools.tool import Context


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("echo hi", "hi\n[exit code 0]"),
        ("printf hi", "hi\n[exit code 0]"),
        ("true", "[exit code 0]"),
        ("echo out; echo err >&2; echo out; exit 3", "out\nerr\nout\n[exit code 3]"),
        ("[[ a == a ]] && echo bash", "bash\n[exit code 0]"),
        ("kill -9 $$", "[killed by signal 9]"),
        ("nope", "bash: line 1: nope: command not found\n[exit code 127]"),
        ("pwd", "/workspace\n[exit code 0]"),
    ],
)
async def test_commands(call: Call, command: str, text: str) -> None:
    observation = await call("shell", command=command)
    assert (observation.ok, observation.text) == (True, text)


async def test_time_is_limited(call: Call) -> None:
    observation = await call("shell", command="echo begun; sleep 60", seconds=1)
    assert observation.text == "begun\n[stopped after 1 s]"
    for seconds in (0, -1, 10_000):
        observation = await call("shell", command="true", seconds=seconds)
        assert not observation.ok
        assert "between 1 and 600" in observation.text


async def test_long_output_is_cut_and_says_how_to_see_it(call: Call) -> None:
    observation = await call("shell", command="seq 1 1000000")
    assert observation.truncated
    assert len(observation.text) < 8200
    assert observation.text.startswith("1\n2\n")
    assert "1000000\n[exit code 0; to see what was cut, use head, tail or grep]" in observation.text
    assert "bytes cut ...]" in observation.text


async def test_what_cannot_be_run(call: Call) -> None:
    for command in ("x" * 200_000, "é" * 60_000, "a\0b"):
        observation = await call("shell", command=command)
        assert not observation.ok
        assert "write it to a file" in observation.text


async def test_python_code(context: Context, call: Call) -> None:
    (context.root / "theirs.py").write_text("value = 42\n")
    observation = await call("run_python", code="import theirs\nprint(theirs.value)\n1 / 0")
    assert observation.text.startswith("42\nTraceback")
    assert observation.text.endswith("ZeroDivisionError: division by zero\n[exit code 1]")


async def test_the_same_code_gives_the_same_text(call: Call) -> None:
    code = "print({c for c in 'abcdefgh'}, hash('x'))"
    texts = {(await call("run_python", code=code)).text for _ in range(3)}
    assert len(texts) == 1
