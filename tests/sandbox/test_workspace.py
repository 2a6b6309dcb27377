"""Folders that an episode may change."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.refused import Refused
from sandbox.workspace import copy_of, in_place, place, worktree_of
from tests.sandbox.opening import Opening


def test_a_copy_holds_the_files_exactly(tmp_path: Path) -> None:
    files = {"a.py": "x = 1\r\n", "deep/er/b": "", "λ.txt": "é", "raw": "\udcff\udc00"}
    files["raw"] = b"\xff\xfe text".decode("utf-8", "surrogateescape")
    workspace = copy_of(files, tmp_path)
    assert (workspace.root / "a.py").read_bytes() == b"x = 1\r\n"
    assert (workspace.root / "deep/er/b").read_bytes() == b""
    assert (workspace.root / "raw").read_bytes() == b"\xff\xfe text"
    assert workspace.diff() == ""
    (workspace.root / "a.py").write_text("x = 2\n")
    assert "-x = 1\r\n+x = 2\n" in workspace.diff()
    workspace.close()
    workspace.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "", "a\0b"])
def test_names_that_lead_out_are_refused(tmp_path: Path, path: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(Refused, match="Correct the task"):
        copy_of({"fine": "", path: "evil"}, inner)
    assert list(tmp_path.rglob("*")) == [inner]


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="x holds text that no file can hold"):
        copy_of({"x": "\ud800"}, tmp_path)


def test_placing_a_file_replaces_whatever_is_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "test.py").write_text("safe")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "file").write_text("in the way")
    (root / "folder/test.py/deep").mkdir(parents=True)
    (root / "test.py").symlink_to(outside / "test.py")
    for path in ("link/test.py", "file/test.py", "folder/test.py", "test.py"):
        place(root, path, "placed")
        assert (root / path).read_text() == "placed"
    assert (outside / "test.py").read_text() == "safe"


async def test_closing_removes_what_a_command_locked(tmp_path: Path, opening: Opening) -> None:
    workspace = copy_of({"a": ""}, tmp_path)
    sandbox = await opening(workspace.root)
    command = "mkdir -p x/y && touch x/y/z && ln -s / x/link && chmod 000 x/y x . "
    assert (await sandbox.run(["sh", "-c", command])).ok
    workspace.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@e", "-C", str(root)]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for text in ("first\n", "second\n"):
        (root / "file").write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", text], check=True)
    hook = root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    return root


async def test_a_worktree_comes_and_goes(
    repository: Path, tmp_path: Path, opening: Opening
) -> None:
    workspace = worktree_of(repository, "HEAD~1", tmp_path)
    assert (workspace.root / "file").read_text() == "first\n"
    assert not (workspace.root / "hooked").exists()
    pointer = (workspace.root / ".git").read_text()
    sandbox = await opening(workspace.root)
    assert (await sandbox.run(["sh", "-c", "echo changed > file; echo evil > .git; true"])).ok
    assert (workspace.root / ".git").read_text() == pointer
    assert workspace.diff() == "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-first\n+changed\n"
    workspace.close()
    assert (repository / "file").read_text() == "second\n"
    assert list(tmp_path.iterdir()) == [repository]
    listed = subprocess.check_output(["git", "-C", str(repository), "worktree", "list"], text=True)
    assert len(listed.splitlines()) == 1
    workspace.close()


def test_a_missing_commit_or_repository_is_one_sentence(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"git worktree failed in .*nowhere"):
        worktree_of(repository, "nowhere", tmp_path)
    with pytest.raises(Refused, match="git worktree failed"):
        worktree_of(tmp_path / "no repository", parent=tmp_path)
    assert list(tmp_path.iterdir()) == [repository]


def test_in_place_leaves_everything(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n")
    workspace = in_place(tmp_path)
    (tmp_path / "a").write_text("2\n")
    workspace.close()
    assert (tmp_path / "a").read_text() == "2\n"
    assert "-1\n+2\n" in workspace.diff()


def test_very_deep_folders_stop_nothing(tmp_path: Path) -> None:
    workspace = copy_of({"a": ""}, tmp_path)
    nest = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", nest], cwd=workspace.root, check=True)
    (workspace.root / "a").write_text("changed")
    assert "+changed" in workspace.diff()
    workspace.close()
    assert list(tmp_path.iterdir()) == []
