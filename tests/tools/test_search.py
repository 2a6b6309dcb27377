"""Finding text."""

from tests.tools.calling import Call
from tools.tool import Context


async def test_matches_name_file_and_line(context: Context, call: Call) -> None:
    (context.root / "b.py").write_text("x\ndef find_me():\n")
    (context.root / "a").mkdir()
    (context.root / "a/c.py").write_text("find_me()\n" + "y" * 5000 + "find_me\n")
    (context.root / ".gitignore").write_text("hidden.py\n")
    (context.root / "hidden.py").write_text("find_me\n")
    lines = (await call("search", pattern=r"find_\w+")).text.splitlines()
    assert lines[0] == "a/c.py:1:find_me()"
    assert lines[1].startswith("a/c.py:2:yyy")
    assert len(lines[1]) < 500
    assert lines[2:] == ["b.py:2:def find_me():"]
    assert (await call("search", pattern="find_me", path="b.py")).text == "b.py:2:def find_me():"


async def test_no_matches_and_bad_patterns(context: Context, call: Call) -> None:
    (context.root / "f").write_text("--files\n")
    observation = await call("search", pattern="nothing")
    assert (observation.ok, observation.text) == (True, "[no matches]")
    assert (await call("search", pattern="--files")).text == "f:1:--files"
    observation = await call("search", pattern="(")
    assert not observation.ok
    assert "unclosed group" in observation.text
    assert "There is no file" in (await call("search", pattern="x", path="nowhere")).text


async def test_many_matches_are_cut(context: Context, call: Call) -> None:
    (context.root / "f").write_text("match\n" * 5000)
    observation = await call("search", pattern="match")
    assert observation.truncated
    assert "narrower pattern" in observation.text


async def test_what_no_command_line_takes_is_told(context: Context, call: Call) -> None:
    for name, arguments in (
        ("search", {"pattern": "a\0b"}),
        ("search", {"pattern": "a" * 200_000}),
        ("list_files", {"path": "a\0b"}),
    ):
        observation = await call(name, **arguments)
        assert (observation.ok, "too long, or it holds a NUL" in observation.text) == (False, True)
