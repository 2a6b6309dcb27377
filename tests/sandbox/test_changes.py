"""Changes of a copy come back into the folder, all or none, or are kept as a patch."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.changes import Changes
from sandbox.refused import Refused
from sandbox.snapshot import snapshot


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def changes(tmp_path: Path) -> Changes:
    folder, copy = tmp_path / "folder", tmp_path / "copy"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.py").write_text("one\ntwo\n")
    (folder / "sub/b.txt").write_text("b\n")
    (folder / "picture").write_bytes(b"\0\1")
    (folder / ".git").mkdir()
    (folder / ".git/config").write_text("safe")
    shutil.copytree(folder, copy)
    return Changes(folder, copy, snapshot(folder))


def work(copy: Path) -> None:
    """Change, remove and make files of all kinds."""
    (copy / "a.py").write_text("one\n2\n")
    (copy / "picture").write_bytes(b"\0\2")
    (copy / "sub/b.txt").unlink()
    (copy / "sub").rmdir()
    (copy / "sub").write_text("a file now\n")
    (copy / "new").mkdir()
    (copy / "new/run.sh").write_text("#!/bin/sh\n")
    (copy / "new/run.sh").chmod(0o755)
    (copy / ".git/config").write_text("[core]\nfsmonitor = evil")


def test_all_changes_come_back_and_are_the_new_start(changes: Changes) -> None:
    work(changes.copy)
    assert "-two\n+2\n" in changes.diff()
    applied = changes.apply()
    assert set(applied) == {"a.py", "picture", "sub", "sub/b.txt", "new/run.sh"}
    after = files(changes.folder)
    assert after.pop(".git/config") == b"safe"
    expected = files(changes.copy)
    del expected[".git/config"]
    assert after == expected
    assert (changes.folder / "new/run.sh").stat().st_mode & 0o777 == 0o755
    assert changes.diff() == ""
    assert changes.apply() == ()


def test_what_was_changed_on_both_sides_stops_all_of_it(changes: Changes) -> None:
    work(changes.copy)
    (changes.folder / "a.py").write_text("mine\n")
    before = files(changes.folder)
    with pytest.raises(Refused, match=r"Nothing was applied.*a\.py was changed there"):
        changes.apply()
    assert files(changes.folder) == before
    (changes.folder / "a.py").write_text("one\n2\n")  # The same change is none.
    assert "a.py" not in changes.apply()


def test_what_only_the_user_changed_is_kept(changes: Changes) -> None:
    (changes.copy / "a.py").write_text("theirs\n")
    (changes.folder / "sub/b.txt").write_text("mine\n")
    (changes.folder / "mine.txt").write_text("mine\n")
    assert changes.apply() == ("a.py",)
    assert (changes.folder / "sub/b.txt").read_text() == "mine\n"
    assert (changes.folder / "mine.txt").exists()


def test_no_link_is_carried_over_or_followed(changes: Changes, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (changes.copy / "link").symlink_to(outside)
    with pytest.raises(Refused, match="link is a link"):
        changes.apply()
    (changes.copy / "link").unlink()
    # The user's own link; the copy made a folder of it.
    (changes.folder / "way").symlink_to(outside)
    changes.start = snapshot(changes.folder)
    (changes.copy / "way").mkdir()
    (changes.copy / "way/x").write_text("x")
    changes.apply()
    assert list(outside.iterdir()) == []
    assert (changes.folder / "way/x").read_text() == "x"


def test_a_patch_and_what_is_no_text_are_kept(changes: Changes, tmp_path: Path) -> None:
    work(changes.copy)
    place = tmp_path / "kept"
    changes.save(place)
    assert (place / "files/picture").read_bytes() == b"\0\2"
    other = tmp_path / "other"
    shutil.copytree(changes.folder, other)
    shutil.rmtree(other / ".git")
    subprocess.run(["git", "apply", place / "changes.patch"], cwd=other, check=True)
    assert (other / "a.py").read_text() == "one\n2\n"
    assert (other / "sub").read_text() == "a file now\n"


NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "c/f/g"])
TREES = st.dictionaries(NAMES, st.binary(max_size=20), max_size=5)


@settings(max_examples=40, deadline=None)
@given(before=TREES, after=TREES)
def test_any_tree_becomes_any_other(
    before: dict[str, bytes], after: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("trees")
    for name, tree in (("folder", before), ("copy", after)):
        (root / name).mkdir()
        for path, data in tree.items():
            (root / name / path).parent.mkdir(parents=True, exist_ok=True)
            (root / name / path).write_bytes(data)
    changes = Changes(root / "folder", root / "copy", snapshot(root / "folder"))
    changes.apply()
    assert files(root / "folder") == after
