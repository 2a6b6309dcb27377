"""Whatever a file holds, is, or is called: a right result, or one clear sentence."""

import codecs
import contextlib
import os
import re
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.tools.calling import Call
from tools.call import JSON, Observation
from tools.textfile import decoded, encoded
from tools.tool import Context

# One sandbox for all examples; each begins with an empty folder.
_MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_PIECES = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"a", b" b", b"\t", b"\0", b"\xff", b"\xe9", "\u00e9".encode(),
     codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\x1b[31m", "\u2028\U0001f600".encode()]
)  # fmt: skip
_BYTES = st.one_of(st.binary(max_size=40), st.lists(_PIECES, max_size=12).map(b"".join))
_WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=9)
_MARK = "MARK"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ODD = st.sampled_from(
    [*" \n-*[{!'\"\\$`:#~%ab.", "\x01", "\x7f", "\u00e4", "\u4e2d", "\U0001f600"]
)
_NAMES = st.text(_ODD, min_size=1, max_size=8).filter(
    lambda name: not name.startswith(".") and name.strip(". ") == name
)


@contextlib.contextmanager
def _emptied(root: Path) -> Generator[Path]:
    try:
        yield root
    finally:
        for path in root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _said(observation: Observation) -> bool:
    """Whether it worked; otherwise it must have said why in a sentence of words."""
    if not observation.ok:
        assert re.search(r"[a-z]{2,}.*[a-z.:)\]]", observation.text)
        assert "Traceback" not in observation.text
        assert "Errno" not in observation.text
    return observation.ok


@given(data=st.binary(max_size=200) | _BYTES)
def test_text_is_turned_back_into_the_same_bytes(data: bytes) -> None:
    file = decoded(data)
    if file is None:
        assert b"\0" in data or data.startswith(_UTF16)
    else:
        assert encoded(file.raw, file.encoding) == data


@_MANY
@given(before=_BYTES, after=_BYTES, new=_WORDS)
async def test_an_edit_changes_what_it_names_and_no_other_byte(
    context: Context, call: Call, before: bytes, after: bytes, new: str
) -> None:
    with _emptied(context.root) as root:
        data = before + _MARK.encode() + after
        (root / "f").write_bytes(data)
        shown = await call("read_file", path="f")
        assert (root / "f").read_bytes() == data
        edited = await call("edit_file", path="f", old=_MARK, new=new)
        if _said(edited):
            assert _said(shown)
            assert _MARK in shown.text
            assert (root / "f").read_bytes() == before + new.encode() + after
        else:
            assert (root / "f").read_bytes() == data
            # In UTF-16 the mark would be other bytes.
            assert b"\0" in data or _MARK in new or data.startswith(_UTF16)
        assert list(root.iterdir()) == [root / "f"]


@_MANY
@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)),
    ends=st.lists(st.sampled_from(["\n", "\r\n", ""]), min_size=1, max_size=4),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "cp1252"]),
)
async def test_encodings_and_line_ends_are_kept(
    context: Context, call: Call, lines: list[str], ends: list[str], encoding: str
) -> None:
    text = "".join(line + ends[n % len(ends)] for n, line in enumerate(lines))
    text = f"{text}\r\n{_MARK} one\r\n\u00fcber {_MARK}\n{text}"
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    with _emptied(context.root) as root:
        data = (mark + text).encode(encoding, "replace")
        # Letters of Windows-1252 can look like UTF-8, and then they are taken for it.
        known = decoded(data)
        assume(known and (known.encoding == "cp1252") == (encoding == "cp1252"))
        (root / "f").write_bytes(data)
        old = f"{_MARK} one\n\u00fcber {_MARK}"
        assert _said(await call("edit_file", path="f", old=old, new="x\ny"))
        around = data.decode(encoding).split(old.replace("\n", "\r\n"))
        assert (root / "f").read_bytes() == "x\r\ny".join(around).encode(encoding)


@_MANY
@given(files=st.lists(_BYTES, min_size=1, max_size=4), wrong=st.integers(0, 4))
async def test_several_edits_are_all_made_or_none(
    context: Context, call: Call, files: list[bytes], wrong: int
) -> None:
    with _emptied(context.root) as root:
        for n, data in enumerate(files):
            (root / f"{n}").write_bytes(data + (b"" if n == wrong else _MARK.encode()))
        before = {path.name: path.read_bytes() for path in root.iterdir()}
        edits: list[JSON] = [
            {"path": f"{n}", "old": _MARK, "new": "new"} for n in range(len(files))
        ]
        after = before
        if _said(await call("edit_files", edits=edits)):
            after = {name: data[: -len(_MARK)] + b"new" for name, data in before.items()}
        assert {path.name: path.read_bytes() for path in root.iterdir()} == after


@settings(_MANY, max_examples=25)
@given(names=st.lists(_NAMES, min_size=1, max_size=3, unique=True))
@example(names=["\n\n"])
async def test_files_of_any_name_are_written_found_and_read(
    context: Context, call: Call, names: list[str]
) -> None:
    with _emptied(context.root) as root:
        for name in names:
            assert _said(await call("write_file", path=f"{name}/{name}", content=f"{_MARK}\n"))
        shown = sorted(f"{name}/{name}".replace("\n", "\\n") for name in names)
        assert (await call("list_files")).text == "\n".join(shown)
        found = (await call("search", pattern=_MARK)).text.split("\n")
        assert sorted(found) == sorted(f"{name}:1:{_MARK}" for name in shown)
        for name in names:
            path = f"{name}/{name}"
            assert (await call("read_file", path=path)).text == f"{_MARK}\n"
            assert (await call("list_files", path=name)).text == path.replace("\n", "\\n")
            pattern = re.sub(r"([*?\[\]{}!\\])", r"\\\1", name)
            globbed = await call("glob", pattern=f"./{pattern}", path=name)
            assert globbed.text == path.replace("\n", "\\n")
            assert _said(await call("edit_file", path=path, old=_MARK, new="x"))
            assert (root / path).read_bytes() == b"x\n"
            assert _said(await call("symbols", path=path))


@_MANY
@given(path=st.text(max_size=12) | st.text(st.sampled_from("./a\0~\\-\n"), max_size=9))
async def test_any_path_is_answered(context: Context, call: Call, path: str) -> None:
    with _emptied(context.root) as root:
        above = sorted(root.parent.iterdir())
        (root / "a").write_text("x")
        _said(await call("edit_file", path=path, old="x", new="y"))
        for name in ("read_file", "list_files"):
            _said(await call(name, path=path))
        for name in ("search", "glob"):
            _said(await call(name, path=path, pattern="x"))
        _said(await call("symbols", path=path))
        _said(await call("write_file", path=path, content="z"))
        assert sorted(root.parent.iterdir()) == above


async def test_names_that_are_not_utf8(context: Context, call: Call) -> None:
    with _emptied(context.root) as root:
        odd = Path(os.fsdecode(os.fsencode(root) + b"/odd\xff.py"))
        odd.write_bytes(b"find_me = 1\n")
        assert (await call("list_files")).text == "odd\ufffd.py"
        assert (await call("glob", pattern="*.py")).text == "odd\ufffd.py"
        assert (await call("search", pattern="find_me")).text == "odd\ufffd.py:1:find_me = 1"
        assert "odd\ufffd.py:1-1:find_me" in (await call("symbols", name="find_me")).text
        observation = await call("read_file", path="odd\ufffd.py")
        assert "bytes that are not UTF-8; reach it in shell, with *" in observation.text


def _entry(kind: str, path: Path, outside: Path) -> None:
    if kind == "link out":
        path.symlink_to(outside)
    elif kind == "link to a folder out":
        path.symlink_to(outside.parent)
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "link to nothing":
        path.symlink_to("nothing")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["link out", "link to a folder out", "link to itself",
                                  "link to nothing", "pipe", "folder"])  # fmt: skip
async def test_what_is_no_file(context: Context, call: Call, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside" / "secret"
    outside.parent.mkdir()
    outside.write_text("secret")
    _entry(kind, context.root / "x", outside)
    before = os.lstat(context.root / "x")
    edits: list[JSON] = [{"path": "x", "old": "secret", "new": "y"}]
    for name, arguments in (
        ("read_file", {}), ("write_file", {"content": "y"}), ("edit_files", {"edits": edits}),
        ("edit_file", {"old": "secret", "new": "y"}), ("search", {"pattern": "secret"}),
        ("glob", {"pattern": "*"}), ("list_files", {}), ("symbols", {}),
    ):  # fmt: skip
        where = {} if name == "edit_files" else {"path": "x"}
        observation = await call(name, **where, **arguments)
        if _said(observation):
            assert name in ("search", "glob", "list_files", "symbols")
            assert "secret" not in observation.text
    for name in ("secret", "new"):
        assert not (await call("read_file", path=f"x/{name}")).ok
        written = await call("write_file", path=f"x/{name}", content="y")
        assert _said(written) is (kind == "folder")
    assert os.lstat(context.root / "x").st_ino == before.st_ino
    assert [path.name for path in outside.parent.iterdir()] == ["secret"]
    assert outside.read_text() == "secret"


async def test_a_gigabyte_is_no_burden(context: Context, call: Call) -> None:
    for name, start in (("zeros.py", b""), ("text.py", b"find_me = 1\n" * 2000)):
        with (context.root / name).open("wb") as file:
            file.write(start)
            file.truncate(2**30)
    edits: list[JSON] = [{"path": "text.py", "old": "find_me", "new": "y"}]
    assert "not a text file" in (await call("read_file", path="zeros.py")).text
    assert (await call("read_file", path="text.py", end=1)).text.endswith("\nfind_me = 1\n")
    for path in ("zeros.py", "text.py"):
        assert "too large" in (await call("edit_file", path=path, old="a", new="b")).text
        assert "too large" in (await call("write_file", path=path, content="b")).text
    assert "too large" in (await call("edit_files", edits=edits)).text
    assert _said(await call("search", pattern="find_me"))
    assert _said(await call("symbols"))
    assert (context.root / "text.py").stat().st_size == 2**30
