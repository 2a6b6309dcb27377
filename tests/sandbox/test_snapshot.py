"""Differences between what a folder held and what it holds."""

import os
import random
import subprocess
import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.snapshot import difference, snapshot, unified

_TEXT = st.text(st.sampled_from("ab\n\r\x0c\u2028é"), max_size=40)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_TEXT, _TEXT)
def test_a_diff_can_be_applied(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(before.encode())
    patch = unified(before, after, "a/file", "b/file")
    if before != after:
        subprocess.run(
            ["git", "apply", "--whitespace=nowarn", "--unidiff-zero", "-"],
            input=patch.encode(),
            cwd=tmp_path,
            check=True,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": "/"},
        )
    assert patch == "" if before == after else file.read_bytes() == after.encode()


def test_a_large_diff_is_made_quickly_and_can_be_applied(tmp_path: Path) -> None:
    draw = random.Random(1)
    texts = ["".join(f"{draw.randrange(900)}\n" for _ in range(100_000)) for _ in range(2)]
    before, after = (f"same\n{text}same\nlast" for text in texts)
    began = time.monotonic()
    patch = unified(before, after, "a/file", "b/file")
    assert time.monotonic() - began < 5
    assert patch.splitlines()[2] == "@@ -2,100000 +2,100000 @@"
    (tmp_path / "file").write_text(before)
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "--unidiff-zero", "-"],
        input=patch.encode(),
        cwd=tmp_path,
        check=True,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": "/"},
    )
    assert (tmp_path / "file").read_text() == after


def test_every_kind_of_change_is_told(tmp_path: Path) -> None:
    (tmp_path / "changed").write_text("one\ntwo\n")
    (tmp_path / "deleted").write_text("gone\n")
    (tmp_path / "same").write_text("same\n")
    (tmp_path / "binary").write_bytes(b"\0\1")
    (tmp_path / "large").write_bytes(b"x" * (2**20 + 1))
    (tmp_path / "link").symlink_to("same")
    before = snapshot(tmp_path)
    assert difference(before, snapshot(tmp_path)) == ""
    (tmp_path / "changed").write_text("one\nthree\n")
    (tmp_path / "deleted").unlink()
    (tmp_path / "new folder").mkdir()
    (tmp_path / "new folder/file").write_text("no end")
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\0\2")
    (tmp_path / "large").write_bytes(b"y" * (2**20 + 2))
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / os.fsdecode(b"odd\xff")).write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    told = difference(before, snapshot(tmp_path))
    assert "--- a/changed\n+++ b/changed\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n" in told
    assert "--- a/deleted\n+++ /dev/null\n" in told
    assert "+++ b/new folder/file\n@@ -0,0 +1 @@\n+no end\n\\ No newline at end of file\n" in told
    assert "+++ b/empty\n" in told
    assert "Binary files a/binary and b/binary differ\n" in told
    assert "Binary files a/large and b/large differ\n" in told
    assert "+link to /etc/passwd\n" in told
    assert "root:" not in told
    assert "Binary files /dev/null and b/odd\ufffd differ\n" in told
    assert "same" not in told.replace("-link to same", "")


def test_caches_and_git_are_left_out(tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    for folder in (".git", ".venv", "node_modules", "sub/__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_text("x")
    assert difference(before, snapshot(tmp_path)) == ""
