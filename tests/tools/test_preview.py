"""What a person sees before a call is carried out."""

from tests.tools.calling import Call
from tools.call import JSON, ToolCall
from tools.preview import preview
from tools.registry import default_tools
from tools.tool import Context


def _shown(context: Context, name: str, **arguments: JSON) -> str | None:
    return preview(ToolCall("1", name, arguments), default_tools(), context.root)


async def test_the_diff_is_what_then_happens(context: Context, call: Call) -> None:
    file = context.root / "f.py"
    file.write_bytes(b"a\r\nb\r\nc\r\n")
    arguments: dict[str, JSON] = {"path": "f.py", "old": "b\n", "new": "B\n"}
    assert _shown(context, "edit_file", **arguments) == (
        "--- a/f.py\n+++ b/f.py\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    )
    assert file.read_bytes() == b"a\r\nb\r\nc\r\n"
    assert (await call("edit_file", **arguments)).ok
    assert file.read_bytes() == b"a\r\nB\r\nc\r\n"


def test_new_files_and_whole_files(context: Context) -> None:
    assert _shown(context, "write_file", path="new", content="x\n") == (
        "--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n"
    )
    (context.root / "old").write_text("x\n")
    shown = _shown(context, "write_file", path="old", content="y")
    assert shown == "--- a/old\n+++ b/old\n@@ -1 +1 @@\n-x\n+y\n\\ No newline at end of file\n"
    assert _shown(context, "write_file", path="old", content="x\n") == ""


def test_commands_are_shown_as_they_are(context: Context) -> None:
    assert _shown(context, "shell", command="rm -rf .") == "rm -rf ."
    assert _shown(context, "run_python", code="print(1)") == "print(1)"


def test_reads_have_none(context: Context) -> None:
    assert _shown(context, "read_file", path="x") is None
    assert _shown(context, "nope") is None


def test_what_will_not_work_is_told(context: Context) -> None:
    (context.root / "f").write_text("abc\n")
    assert "There is no file" in (_shown(context, "edit_file", path="x", old="a", new="b") or "")
    assert "not found" in (_shown(context, "edit_file", path="f", old="xyz", new="b") or "")
    assert "Wrong arguments" in (_shown(context, "write_file", path="f") or "")
    assert "leads out" in (_shown(context, "write_file", path="../f", content="") or "")
