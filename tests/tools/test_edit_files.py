"""Several edits: all of them, or none."""

import pytest

from tests.tools.calling import Call
from tools.call import JSON, ToolCall
from tools.edit import edit_files
from tools.preview import preview
from tools.tool import Context


def _edit(path: str, old: str, new: str) -> JSON:
    return {"path": path, "old": old, "new": new}


async def test_all_are_made_in_their_order(context: Context, call: Call) -> None:
    (context.root / "a").write_bytes(b"1\r\n2\r\n")
    (context.root / "b").write_text("1\n")
    edits = [_edit("a", "1\n", "one\n"), _edit("b", "1", "2"), _edit("./a", "one\n2", "3")]
    observation = await call("edit_files", edits=edits)
    assert (observation.ok, observation.text) == (True, "Made 3 edits in a, b.")
    assert (context.root / "a").read_bytes() == b"3\r\n"
    assert (context.root / "b").read_text() == "2\n"


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (_edit("b", "nothing", "x"), "Edit 2 of 2 does not work, and no file was changed. old was"),
        (_edit("missing", "1", "x"), "There is no file missing"),
        (_edit("../a", "1", "x"), "leads out"),
        (_edit("b", "1", "\ud800"), "half of a character"),
        ({"path": "b", "old": "1"}, "new: "),
    ],
)
async def test_one_that_does_not_fit_stops_all(
    context: Context, call: Call, edit: JSON, problem: str
) -> None:
    (context.root / "a").write_text("1")
    (context.root / "b").write_text("1")
    observation = await call("edit_files", edits=[_edit("a", "1", "2"), edit])
    assert not observation.ok
    assert problem in observation.text
    assert [(context.root / name).read_text() for name in "ab"] == ["1", "1"]


async def test_what_was_written_is_put_back(context: Context, call: Call) -> None:
    for name in ("a", "b"):
        (context.root / name).write_bytes(b"\xff\xfe1\0\r\0\n\0")
    (context.root / "real").mkdir()
    (context.root / "real/c").write_text("1")
    (context.root / "link").symlink_to("real")
    edits = [_edit("a", "1", "2"), _edit("b", "1", "2"), _edit("link/c", "1", "2")]
    observation = await call("edit_files", edits=edits)
    assert not observation.ok
    problem = "link is a link, or lies behind one; use the real path. No file changed."
    assert observation.text == problem
    assert (context.root / "a").read_bytes() == b"\xff\xfe1\0\r\0\n\0"
    assert (context.root / "b").read_bytes() == b"\xff\xfe1\0\r\0\n\0"
    assert not [path for path in context.root.iterdir() if path.name.startswith(".")]


async def test_no_edits_are_told(call: Call) -> None:
    assert "at least one" in (await call("edit_files", edits=[])).text


async def test_the_preview_shows_each_file_once(context: Context) -> None:
    (context.root / "a").write_text("1\n2\n")
    (context.root / "b").write_text("1\n")
    edits = [_edit("a", "1", "x"), _edit("b", "1", "x"), _edit("a", "2", "y")]
    shown = preview(ToolCall("1", "edit_files", {"edits": edits}), [edit_files], context.root)
    assert shown == (
        "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-1\n-2\n+x\n+y\n--- a/b\n+++ b/b\n@@ -1 +1 @@\n-1\n+x\n"
    )


def test_the_schema_says_what_an_edit_is() -> None:
    text = {"type": "string"}
    assert edit_files.parameters["properties"] == {
        "edits": {
            "type": "array",
            "description": "Made one after the other; each old must occur exactly once.",
            "items": {
                "type": "object",
                "properties": {"path": text, "old": text, "new": text},
                "required": ["path", "old", "new"],
                "additionalProperties": False,
            },
        }
    }
