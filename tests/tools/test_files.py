"""Reading, writing and listing."""

import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.calling import Call
from tools.call import ToolError
from tools.edit import Edit, edit_file, edit_files
from tools.files import write_file
from tools.tool import Context


async def test_a_file_is_shown_as_it_is(context: Context, call: Call) -> None:
    (context.root / "f").write_text("one\n\n  two\nno end")
    observation = await call("read_file", path="f")
    assert (observation.text, observation.truncated) == ("one\n\n  two\nno end", False)
    for path in ("./f", "/workspace/f", str(context.root / "f"), "x/../f"):
        assert (await call("read_file", path=path)).text == observation.text


async def test_a_range_says_so(context: Context, call: Call) -> None:
    (context.root / "f").write_text("1\n2\n3\n4")
    assert (await call("read_file", path="f", start=2, end=3)).text == "[lines 2-3 of 4]\n2\n3\n"
    assert (await call("read_file", path="f", start=3)).text == "[lines 3-4 of 4]\n3\n4"
    assert (await call("read_file", path="f", start=1, end=99)).text == "1\n2\n3\n4"
    for start, end in ((5, 0), (0, 0), (3, 2), (-1, 2)):
        observation = await call("read_file", path="f", start=start, end=end)
        assert not observation.ok
        assert "f has 4 lines" in observation.text


async def test_a_long_file_is_shown_in_parts(context: Context, call: Call) -> None:
    lines = [f"line {number}\n" for number in range(1, 3001)]
    (context.root / "f").write_text("".join(lines))
    seen: list[str] = []
    start = 1
    while start <= len(lines):
        observation = await call("read_file", path="f", start=start)
        assert len(observation.text) <= 8000
        header, *shown = observation.text.splitlines(keepends=True)
        seen += shown
        start += len(shown)
        more = start <= len(lines)
        assert observation.truncated is more
        assert (f"go on with start={start}]" in header) is more
    assert seen == lines


async def test_a_long_range_that_was_cut_says_so(context: Context, call: Call) -> None:
    (context.root / "f").write_text("".join(f"line {n}\n" for n in range(5000)))
    observation = await call("read_file", path="f", start=1, end=4000)
    assert observation.truncated
    assert "of 5000; go on with start=" in observation.text.split("\n")[0]


async def test_one_endless_line(context: Context, call: Call) -> None:
    (context.root / "f").write_text("x" * 50_000)
    observation = await call("read_file", path="f")
    assert observation.truncated
    assert len(observation.text) < 8200


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("missing", "There is no file missing. Near it: "),
        ("folder", "is a folder"),
        ("binary", "not a text file (3 bytes)"),
        ("picture.png", "not a text file (PNG picture, 12 bytes). To look at it: shell `od"),
        ("huge", "not a text file (2147483648 bytes)"),
        ("pipe", "not a regular file"),
        ("link", "is a link"),
        ("", "must not be empty"),
        ("a\0b", "NUL"),
        ("../x", "leads out"),
    ],
)
async def test_what_cannot_be_read(context: Context, call: Call, path: str, problem: str) -> None:
    (context.root / "folder").mkdir()
    (context.root / "binary").write_bytes(b"a\0b")
    (context.root / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\r")
    with (context.root / "huge").open("wb") as file:
        file.truncate(2**31)
    os.mkfifo(context.root / "pipe")
    (context.root / "link").symlink_to("/etc/passwd")
    observation = await call("read_file", path=path)
    assert not observation.ok
    assert problem in observation.text


async def test_empty_and_odd_files(context: Context, call: Call) -> None:
    (context.root / "empty").touch()
    (context.root / "odd").write_bytes("é".encode() + b"\xffb")
    assert (await call("read_file", path="empty")).text == "[empty is empty]"
    assert (await call("read_file", path="odd")).text == "é\ufffdb"


async def test_writing(context: Context, call: Call) -> None:
    observation = await call("write_file", path="deep/er/f.py", content="a\nb")
    assert observation.text == "Wrote deep/er/f.py, 2 lines."
    assert (context.root / "deep/er/f.py").read_bytes() == b"a\nb"
    assert (await call("write_file", path="deep/er/f.py", content="")).ok
    assert (context.root / "deep/er/f.py").read_bytes() == b""


async def test_writing_keeps_line_ends(context: Context, call: Call) -> None:
    (context.root / "f").write_bytes(b"a\r\nb\r\n")
    assert (await call("write_file", path="f", content="c\nd\n")).ok
    assert (context.root / "f").read_bytes() == b"c\r\nd\r\n"
    assert (await call("write_file", path="new", content="c\r\nd\n")).ok
    assert (context.root / "new").read_bytes() == b"c\r\nd\n"


async def test_writing_does_not_lead_out(context: Context, call: Call, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("safe")
    (context.root / "link").symlink_to(tmp_path / "outside")
    (context.root / "folder").symlink_to(tmp_path)
    for path in ("link", "folder/new", "../new", str(tmp_path / "new"), ".git/hooks/pre-commit"):
        assert not (await call("write_file", path=path, content="evil")).ok
    assert (tmp_path / "outside").read_text() == "safe"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "workspace"]


async def test_listing(context: Context, call: Call) -> None:
    assert (await call("list_files")).text == "[no files in .]"
    for path in ("b/2", "b/1", "a", "-n", "λ x", ".hidden", "ignored/x", "line\nbreak"):
        (context.root / path).parent.mkdir(exist_ok=True)
        (context.root / path).touch()
    (context.root / ".gitignore").write_text("ignored\n")
    listed = (await call("list_files")).text.splitlines()
    assert listed == ["-n", "a", "b/1", "b/2", "line\\nbreak", "λ x"]
    assert (await call("list_files", path="b")).text == "b/1\nb/2"
    assert (await call("list_files", path="/workspace/b/")).text == "b/1\nb/2"
    assert "There is no file nowhere" in (await call("list_files", path="nowhere")).text


async def test_a_full_disk_is_told(context: Context, call: Call) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        observation = await call("write_file", path="f", content="x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (observation.ok, observation.text) == (False, "f: file too large.")


@pytest.mark.parametrize(
    "path", [".envrc", "x/../.vscode/tasks.json", "/workspace/.mcp.json", "own/home/config.toml"]
)
async def test_what_only_the_user_changes_is_not_written(context: Context, path: str) -> None:
    guarded = replace(context, readonly=(Path("own/home"),))
    edits = [Edit("a", "1", "2"), Edit(path, "1", "2")]
    for file in (context.root / "a", context.root / path.removeprefix("/workspace/")):
        (context.root / "x").mkdir(exist_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1")
    for writing in (
        write_file.function(guarded, path, "2"),
        edit_file.function(guarded, path, "1", "2"),
        edit_files.function(guarded, edits),
    ):
        with pytest.raises(ToolError, match="which only the user changes"):
            await writing
    assert (context.root / "a").read_text() == "1"
    await write_file.function(guarded, f"own/{path.rpartition('/')[2]}", "2")
