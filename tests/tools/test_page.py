"""Files of any size and encoding, a part at a time."""

import codecs
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from tests.tools.calling import Call
from tools.tool import Context


def _sparse(path: Path, size: int, tail: bytes) -> None:
    """A file of lines `n`, then a hole that is one line, then `tail`."""
    with path.open("wb") as file:
        file.write(b"".join(b"line %d\n" % n for n in range(1, 20_001)))
        file.seek(size - len(tail) - 1)
        file.write(b"\n" + tail)


async def test_a_file_of_a_gigabyte(context: Context, call: Call) -> None:
    _sparse(context.root / "f", 2**30, b"last but one\r\nlast\r\n")
    tracemalloc.start()
    first = await call("read_file", path="f", start=1, end=2)
    deep = await call("read_file", path="f", start=20_002)
    hole = await call("read_file", path="f", start=20_001, numbers=True)
    past = await call("read_file", path="f", start=20_004)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**24
    assert first.text == "[lines 1-2 of 1073741824 bytes]\nline 1\nline 2\n"
    assert deep.text == "[lines 20002-20003 of 1073741824 bytes]\nlast but one\nlast\n"
    assert hole.text.startswith("[line 20001 of 1073741824 bytes, its first 7800 characters; ")
    assert "sed -n 20001p -- f | cut -b 7801-15600`; go on with start=20002]" in hole.text
    assert (past.ok, past.text) == (False, "f has 20003 lines; there is no line 20004.")


async def test_a_huge_file_is_read_from_start_to_end(context: Context, call: Call) -> None:
    lines = [f"{n} {'é' * (n % 80)}\n" for n in range(250_000)]
    (context.root / "f").write_text("".join(lines))
    start = 249_000
    seen: list[str] = []
    while start <= len(lines):
        observation = await call("read_file", path="f", start=start)
        header, *shown = observation.text.splitlines(keepends=True)
        start += len(shown)
        seen += shown
        assert observation.truncated is (start <= len(lines))
        assert (f"go on with start={start}]" in header) is (start <= len(lines))
    assert seen == lines[248_999:]
    assert not (await call("read_file", path="f", start=0)).ok
    assert "too large" in (await call("edit_file", path="f", old="x", new="x")).text


async def test_a_long_line_says_how_to_see_the_rest(context: Context, call: Call) -> None:
    line = "".join(f"{n} é," for n in range(5000))
    (context.root / "a file").write_text(f"first\n{line}\nlast\n")
    observation = await call("read_file", path="a file")
    assert "go on with start=2]\nfirst\n" in observation.text
    observation = await call("read_file", path="a file", start=2)
    assert "; go on with start=3]\n" in observation.text
    shown = observation.text.split("\n")[1]
    way = observation.text.partition("shell `")[2].partition("`")[0]
    rest = subprocess.check_output(way, shell=True, cwd=context.root).decode(errors="ignore")
    assert line.startswith(shown + rest.rstrip("\n"))
    assert len(rest) > 5000


async def test_line_numbers(context: Context, call: Call) -> None:
    (context.root / "f").write_text("a\n\nc")
    assert (await call("read_file", path="f", numbers=True)).text == "1\ta\n2\t\n3\tc"
    observation = await call("read_file", path="f", start=2, end=2, numbers=True)
    assert observation.text == "[lines 2-2 of 3]\n2\t\n"


_TEXT = "naïve\r\n“quoted”\r\nend"


@pytest.mark.parametrize(
    "data",
    [
        _TEXT.encode("cp1252"),
        _TEXT.encode(),
        codecs.BOM_UTF8 + _TEXT.encode(),
        codecs.BOM_UTF16_LE + _TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + _TEXT.encode("utf-16-be"),
    ],
)
async def test_encodings_are_read_and_kept(context: Context, call: Call, data: bytes) -> None:
    file = context.root / "f"
    file.write_bytes(data)
    shown = _TEXT.replace("\r", "")
    assert (await call("read_file", path="f")).text == shown
    assert (await call("edit_file", path="f", old="naïve\n", new="wise\n")).ok
    assert (await call("edit_file", path="f", old="wise\n", new="naïve\n")).ok
    assert file.read_bytes() == data
    assert (await call("write_file", path="f", content=shown)).ok
    assert file.read_bytes() == data


async def test_mixed_line_ends_stay_where_nothing_was_replaced(
    context: Context, call: Call
) -> None:
    file = context.root / "f"
    file.write_bytes(b"a\r\nb\nc\r\nd\r\ne\n")
    assert (await call("edit_file", path="f", old="c\nd\n", new="C\nD\nD\n")).ok
    assert file.read_bytes() == b"a\r\nb\nC\r\nD\r\nD\r\ne\n"
    assert (await call("edit_file", path="f", old="\nC\nD", new="\nC\nE")).ok
    assert file.read_bytes() == b"a\r\nb\nC\r\nE\r\nD\r\ne\n"
    assert (await call("edit_file", path="f", old="\nE\nD", new="\nD\nD")).ok
    assert file.read_bytes() == b"a\r\nb\nC\r\nD\r\nD\r\ne\n"
    assert "occurs 2 times" in (await call("edit_file", path="f", old="D\n", new="x")).text


@pytest.mark.parametrize("data", [b"\xff\xfea", b"\xff\xfe\0\0a\0\0\0", b"\0" * 20])
async def test_what_is_no_text(context: Context, call: Call, data: bytes) -> None:
    (context.root / "f").write_bytes(data)
    for name, rest in (("read_file", {}), ("write_file", {"content": "x"})):
        observation = await call(name, path="f", **rest)
        assert f"f is not a text file ({len(data)} bytes)" in observation.text
    assert (context.root / "f").read_bytes() == data
