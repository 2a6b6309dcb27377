"""Exact replacing: what was not named is not touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.calling import Call
from tools.call import ToolError
from tools.edit import edited
from tools.textfile import TextFile
from tools.tool import Context

_TEXT = st.text(st.sampled_from("ab \t\n\r\u2028é\udcff"), max_size=30)


@given(_TEXT, _TEXT, _TEXT, _TEXT)
def test_only_the_named_text_changes(before: str, old: str, new: str, after: str) -> None:
    file = TextFile(before + old + after)
    try:
        text, at = edited(file, "f", old, new)
    except ToolError:
        assert not old or old == new or file.raw.find(old, file.raw.find(old) + 1) >= 0
        return
    assert at == len(before)
    assert text == before + file.fitted(new) + after


@given(st.binary(max_size=60), st.text(min_size=1, max_size=4), st.text(max_size=4))
def test_any_bytes_survive_an_edit_beside_them(data: bytes, old: str, new: str) -> None:
    raw = data.decode("utf-8", "surrogateescape")
    try:
        text, at = edited(TextFile(raw), "f", old, new)
    except ToolError:
        return
    result = text.encode("utf-8", "surrogateescape")
    assert result.startswith(raw[:at].encode("utf-8", "surrogateescape"))
    rest = raw[at:].removeprefix(old)
    assert result.endswith(rest.encode("utf-8", "surrogateescape"))


@given(
    st.lists(st.text(st.sampled_from("abc "), max_size=5), min_size=1, max_size=8),
    st.text(max_size=9),
)
def test_crlf_files_stay_crlf(lines: list[str], new: str) -> None:
    raw = "\r\n".join([*lines, "the one\r\nline", "end"])
    text, _ = edited(TextFile(raw), "f", "the one\nline", new.replace("\r", ""))
    assert TextFile(text).crlf or "\n" not in text.replace("\r\n", "")
    assert text.replace("\r\n", "").count("\r") == 0


async def test_an_edit_says_where(context: Context, call: Call) -> None:
    file = context.root / "f.py"
    file.write_bytes(b"a = 1\nb = 2\n\xff = 3")
    observation = await call("edit_file", path="f.py", old="b = 2", new="b = 3\nc = 4")
    assert (observation.ok, observation.text) == (True, "Edited f.py at line 2.")
    assert file.read_bytes() == b"a = 1\nb = 3\nc = 4\n\xff = 3"


async def test_a_byte_order_mark_and_crlf_are_kept(context: Context, call: Call) -> None:
    file = context.root / "f"
    file.write_bytes("\ufeffone\r\ntwo\r\n".encode())
    assert (await call("read_file", path="f")).text == "one\ntwo\n"
    assert (await call("edit_file", path="f", old="one\ntwo", new="1\n2\n3")).ok
    assert file.read_bytes() == "\ufeff1\r\n2\r\n3\r\n".encode()


async def test_a_miss_shows_the_closest_region(context: Context, call: Call) -> None:
    text = "".join(f"def f{n}(x):\n    return x + {n}\n\n\n" for n in range(100))
    (context.root / "f.py").write_text(text)
    observation = await call(
        "edit_file", path="f.py", old="def f42(x):\n  return x+42\n", new="pass"
    )
    assert not observation.ok
    assert "lines 169-170:\ndef f42(x):\n    return x + 42\n" in observation.text
    assert " def f42(x):¶\n-  return x+42¶\n+    return x + 42¶\n" in observation.text
    assert (context.root / "f.py").read_text() == text


async def test_a_miss_in_a_long_file_is_found_quickly(context: Context, call: Call) -> None:
    lines = [f"value_{n} = compute({n})" for n in range(60_000)]
    lines[30_000] = "def wanted():"
    (context.root / "f.py").write_text("\n".join(lines))
    observation = await call("edit_file", path="f.py", old="def wanted():\n    pass", new="x")
    assert "lines 30001-30002:\ndef wanted():\n" in observation.text


@pytest.mark.timeout(30)
async def test_a_miss_in_what_repeats_itself_does_not_take_minutes(
    context: Context, call: Call
) -> None:
    (context.root / "f").write_text("ab" * 1000)
    assert "was not found" in (await call("edit_file", path="f", old="abc" * 1000, new="x")).text


async def test_nothing_like_it(context: Context, call: Call) -> None:
    (context.root / "f").write_text("abc\n")
    observation = await call("edit_file", path="f", old="12345678", new="x")
    assert "nor anything like it" in observation.text


async def test_an_ambiguous_edit_lists_the_lines(context: Context, call: Call) -> None:
    (context.root / "f").write_text("x = 1\ny\nx = 1\n" + "x = 1\n" * 20)
    observation = await call("edit_file", path="f", old="x = 1", new="x = 2")
    assert not observation.ok
    assert "occurs 22 times in f, at lines 1, 3, 4" in observation.text
    assert "..." in observation.text
    assert "\n1: x = 1\n--\n2: y\n3: x = 1\n--\n" in observation.text


async def test_line_numbers_and_white_space_are_named(context: Context, call: Call) -> None:
    (context.root / "f").write_text("def f():\n\treturn 1 \n")
    observation = await call("edit_file", path="f", old="1\tdef f():\n2\t\treturn 1 \n", new="x")
    assert "leave out the line numbers" in observation.text
    observation = await call("edit_file", path="f", old="def f():\n    return 1\n", new="x")
    assert "Only white space differs" in observation.text
    assert " def f():¶\n-    return 1¶\n+→return 1 ¶\n" in observation.text


async def test_a_long_list_of_matches_takes_no_time(context: Context, call: Call) -> None:
    (context.root / "f").write_text("a\n" * 2_000_000)
    observation = await call("edit_file", path="f", old="a", new="b")
    assert "occurs 1000 or more times" in observation.text


async def test_the_second_miss_in_a_row_asks_for_the_whole_file(
    context: Context, call: Call
) -> None:
    (context.root / "f").write_text("one\ntwo\n")
    (context.root / "long").write_text("one\n" * 1000)
    order = "call write_file with the whole new text of f"

    async def miss(path: str = "f") -> str:
        return (await call("edit_file", path=path, old="three\n", new="x")).text

    assert "in a row" not in await miss()
    assert "in a row" not in await miss("long")
    assert order in await miss()
    assert (await call("write_file", path="f", content="one\nfour\n")).ok
    assert "in a row" not in await miss()
    assert (await call("edit_file", path="f", old="four", new="five")).ok
    assert "in a row" not in await miss()
    edits = [{"path": "f", "old": "six", "new": "seven"}]
    assert order in (await call("edit_files", edits=edits)).text
    assert "copy old from what it shows" in await miss("long")


@pytest.mark.parametrize(
    ("path", "old", "new", "problem"),
    [
        ("missing", "a", "b", "There is no file missing"),
        ("f", "", "b", "must not be empty"),
        ("f", "a", "a", "must differ"),
        ("binary", "a", "b", "not a text file"),
        ("../f", "a", "b", "leads out"),
        ("/etc/passwd", "root", "b", "outside"),
        ("folder", "a", "b", "is a folder"),
        (".git/config", "a", "b", "git's own"),
        ("f", "a", "\ud800", "half of a character"),
        ("odd", "a\ufffdb", "c", "not UTF-8"),
        ("latin", "caf\u00e9", "\u2192", "Windows-1252 file, which has no '\u2192'"),
        ("no end", "cde\n", "c", "ends there without a line end"),
    ],
)
async def test_errors_are_sentences(
    context: Context, call: Call, path: str, old: str, new: str, problem: str
) -> None:
    (context.root / "f").write_text("a")
    (context.root / "binary").write_bytes(b"a\0")
    (context.root / "odd").write_bytes("é".encode() + b"a\xffb")
    (context.root / "latin").write_bytes(b"caf\xe9")
    (context.root / "no end").write_text("ab\ncde")
    (context.root / "folder").mkdir()
    (context.root / ".git").mkdir()
    (context.root / ".git/config").write_text("a")
    observation = await call("edit_file", path=path, old=old, new=new)
    assert not observation.ok
    assert problem in observation.text
    assert (context.root / "f").read_text() == "a"


@pytest.mark.timeout(30)
async def test_a_miss_in_one_endless_line_is_found_quickly(context: Context, call: Call) -> None:
    line = "".join(chr(97 + n * n % 23) for n in range(60_000))
    (context.root / "min.js").write_text(line)
    observation = await call("edit_file", path="min.js", old=line.replace("ab", "ba"), new="x")
    assert not observation.ok
    assert "not found" in observation.text
