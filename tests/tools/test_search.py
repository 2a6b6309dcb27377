"""Finding text."""

from tests.tools.calling import Call
from tools.call import JSON
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
        assert not observation.ok
        assert "hold" in observation.text
        assert "NUL" in observation.text


async def test_options_narrow_and_widen(context: Context, call: Call) -> None:
    (context.root / "a.py").write_text("one\nTwo.\nthree\n\n\ntwos\n")
    (context.root / "b.md").write_text("Two\n")
    (context.root / "new\nline").write_text("x\ntwo\n")

    async def found(**arguments: JSON) -> list[str]:
        return (await call("search", **arguments)).text.splitlines()

    assert await found(pattern="wo.", literal=True) == ["a.py:2:Two."]
    assert await found(pattern="Two", kind="md") == ["b.md:1:Two"]
    assert await found(pattern="(?i)two", kind="python", around=1) == [
        "a.py-1-one", "a.py:2:Two.", "a.py-3-three", "--", "a.py-5-", "a.py:6:twos",
    ]  # fmt: skip
    assert await found(pattern="two$") == ["new\\nline:2:two"]
    assert "unrecognized file type: nope" in (await found(pattern="x", kind="nope"))[0]
    assert "between 0 and 50" in (await found(pattern="x", around=51))[0]


async def test_binary_and_utf16_files(context: Context, call: Call) -> None:
    (context.root / "wide").write_text("find me\n", encoding="utf-16")
    (context.root / "binary").write_bytes(b"find me\0")
    assert (await call("search", pattern="find")).text == "wide:1:find me"
    assert "binary file matches" in (await call("search", pattern="find", path="binary")).text
