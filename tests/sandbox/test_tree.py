"""Reading and writing beneath a folder that somebody hostile filled."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.tree import Tree, TreeError, name


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "root"
    root.mkdir()
    return Tree(root)


@given(st.text())
def test_a_name_never_leads_out(path: str) -> None:
    try:
        relative = name(path)
    except TreeError:
        return
    assert not relative.startswith("/")
    assert ".." not in relative.split("/")
    assert "\0" not in relative


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "a\0b", "/"])
def test_bad_names(path: str) -> None:
    with pytest.raises(TreeError):
        name(path)


@pytest.mark.parametrize(
    "path", ["a", "a/b/c", " x ", "-n", "ü/λ", "a\nb", "~", "$HOME", "\udcff\udcfe", "a/../b"]
)
def test_what_is_written_is_read(tree: Tree, path: str) -> None:
    tree.write(path, b"\x00\xff text")
    tree.write(path, b"short")
    assert tree.read(path) == b"short"
    assert [p for p in tree.root.rglob("*") if p.is_file()] == [tree.root / name(path)]


def test_writing_keeps_the_mode(tree: Tree) -> None:
    tree.write("run", b"#!/bin/sh\n")
    (tree.root / "run").chmod(0o755)
    tree.write("run", b"#!/bin/bash\n")
    assert (tree.root / "run").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("way", ["openat2", "walk"])
def test_links_do_not_lead_out(tree: Tree, outside: Path, way: str) -> None:
    def unknown(*call: object) -> int:
        raise OSError(errno.ENOSYS, "no such system call")

    if way == "walk":  # As on a kernel without the system call.
        tree = Tree(tree.root, unknown)
    (tree.root / "file").symlink_to(outside / "secret")
    (tree.root / "folder").symlink_to(outside)
    (tree.root / "up").symlink_to("../outside")
    (tree.root / "proc").symlink_to("/proc/self/root")
    for path in ("file", "folder/secret", "up/secret", f"proc{outside}/secret"):
        with pytest.raises(TreeError):
            tree.read(path)
    for path in ("file", "folder/new", "up/new", "folder/deep/new"):
        with pytest.raises(TreeError):
            tree.write(path, b"evil")
    assert (outside / "secret").read_text() == "secret"
    assert list(outside.iterdir()) == [outside / "secret"]
    tree.write("in/side", b"fine")
    assert tree.read("in/side") == b"fine"


def test_links_inside_are_read_but_not_written_through(tree: Tree) -> None:
    tree.write("a/real", b"text")
    (tree.root / "link").symlink_to("a/real")
    assert tree.read("link") == b"text"
    with pytest.raises(TreeError, match="is a link"):
        tree.write("link", b"other")


@pytest.mark.parametrize(
    "path", [".git/config", ".git/hooks/pre-commit", "sub/.git/config", ".GIT/x", ".git"]
)
def test_git_is_left_alone(tree: Tree, path: str) -> None:
    (tree.root / ".git/hooks").mkdir(parents=True)
    with pytest.raises(TreeError, match="git's own"):
        tree.write(path, b"evil")


def test_pipes_devices_and_folders_are_no_files(tree: Tree) -> None:
    os.mkfifo(tree.root / "pipe")
    (tree.root / "folder").mkdir()
    for path in ("pipe", "folder"):
        with pytest.raises(TreeError):
            tree.read(path)
        with pytest.raises(TreeError):
            tree.write(path, b"x")


def test_errors_are_sentences(tree: Tree) -> None:
    tree.write("file", b"12345")
    with pytest.raises(FileNotFoundError):
        tree.read("missing")
    with pytest.raises(TreeError, match="too large"):
        tree.read("file", limit=3)
    with pytest.raises(TreeError, match="not a directory"):
        tree.read("file/below")
    with pytest.raises(TreeError):
        tree.write("file/below", b"")
    with pytest.raises(TreeError, match="name too long"):
        tree.write("x" * 300, b"")


def test_out_of_space_the_old_bytes_are_still_there(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"old" * 100)
    file.chmod(0o750)
    script = """
import resource, signal, sys
from pathlib import Path
from sandbox.tree import Tree, TreeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Tree(Path(sys.argv[1])).write("a.txt", b"new" * 1000)
except TreeError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "a.txt: file too large.\n"
    assert file.read_bytes() == b"old" * 100
    assert list(tmp_path.iterdir()) == [file]
    Tree(tmp_path).write("a.txt", b"new" * 1000)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new" * 1000, 0o750)


def test_a_file_with_two_names_keeps_both(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a longer text")
    (tmp_path / "b.txt").hardlink_to(tmp_path / "a.txt")
    Tree(tmp_path).write("a.txt", b"short")
    assert (tmp_path / "b.txt").read_bytes() == b"short"
