"""Copy-on-write workspaces: what one changes is in that one only, and is told exactly."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.sandbox import Sandbox, SandboxBroken
from sandbox.stage import possible
from sandbox.warden.client import warden
from sandbox.workspace import Workspace, copy_of, isolated
from tests.sandbox.opening import Opening

pytestmark = pytest.mark.skipif(not possible(), reason="overlays are not allowed here")

_FILES = {"a": "1\n", "b/c": "2\n", "b/d/e": "3\n", "f/g": "4\n", "f/h": "5\n"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for path, text in _FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def spaces() -> Iterator[list[Workspace]]:
    made: list[Workspace] = []
    yield made
    for space in made:
        space.close()


_PATHS = st.sampled_from(["a", "b", "b/c", "b/d", "b/d/e", "f", "f/g", "new", "new/x", "b/new"])
_STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "mkdir", "link"]), _PATHS)
    | st.tuples(st.just("rename"), _PATHS, _PATHS),
    max_size=8,
)


def _take(root: Path, step: Sequence[str]) -> None:
    kind, path = step[0], root / step[1]
    try:
        if kind == "write":
            path.write_text("written\n")
        elif kind == "remove":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif kind == "mkdir":
            path.mkdir()
        elif kind == "link":
            path.symlink_to("a")
        else:
            shutil.move(path, root / step[2])
    except OSError:
        pass


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_STEPS)
def test_its_diff_is_that_of_a_copy(steps: list[Sequence[str]]) -> None:
    stage, plain = copy_of(_FILES), copy_of(_FILES, plain=True)
    try:
        for step in steps:
            _take(stage.root, step)
            _take(plain.root, step)
        assert stage.stage is not None
        assert stage.diff() == plain.diff()
    finally:
        stage.close()
        plain.close()


def test_many_of_the_same_do_not_mix(spaces: list[Workspace]) -> None:
    spaces += [copy_of(_FILES) for _ in range(300)]
    for number, space in enumerate(spaces):
        (space.root / "a").write_text(f"number {number}\n")
    for number, space in enumerate(spaces):
        assert (space.root / "a").read_text() == f"number {number}\n"
        assert space.diff() == f"--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+number {number}\n"


def test_threads_do_not_see_what_is_half_filled(spaces: list[Workspace]) -> None:
    files = {f"a/{number}": "x" for number in range(2000)}

    def seen(_: int) -> int:
        spaces.append(copy_of(files))
        return len(list((spaces[-1].root / "a").iterdir()))

    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(4) as others:
        begun = first.submit(seen, 0)
        found = list(others.map(seen, range(4)))
    assert [begun.result(), *found] == [2000] * 5


def test_the_order_of_files_counts(spaces: list[Workspace]) -> None:
    spaces.append(copy_of({"a": "file", "a/b": "inside"}))
    assert (spaces[0].root / "a/b").read_text() == "inside"


def test_more_than_the_limit_of_open_files(tmp_path: Path) -> None:
    script = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from sandbox.workspace import copy_of
spaces = [copy_of({"a": "b"}) for _ in range(600)]
print({(space.root / "a").read_text() for space in spaces})
"""
    line = [sys.executable, "-c", script]
    run = subprocess.run(
        line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert run.stdout == "{'b'}\n", run.stderr


async def test_a_full_one_is_an_error_of_the_command(
    spaces: list[Workspace], opening: Opening
) -> None:
    spaces.append(copy_of({"a": ""}, megabytes=8))
    sandbox = await opening(spaces[0].root)
    completed = await sandbox.run(["sh", "-c", "head -c 20M /dev/zero > big; echo $?; rm big"])
    assert "No space left on device" in completed.stderr
    assert (await sandbox.run(["sh", "-c", "echo fine > a; cat a"])).stdout == "fine\n"
    many = "i=0; while [ $i -lt 20000 ]; do : > $i; i=$((i+1)); done"
    completed = await sandbox.run(["bash", "-c", f"{many} 2>&1 | tail -1"])
    assert "No space left on device" in completed.stdout


async def test_the_users_folder_stays_as_it_is(
    tree: Path, spaces: list[Workspace], opening: Opening
) -> None:
    before = [(path, path.lstat().st_ctime_ns) for path in tree.rglob("*")]
    spaces.append(isolated(tree))
    sandbox = await opening(spaces[0].root)
    line = "cat a; echo 2 >> a; rm -r f; mkdir f; echo new > f/new; chmod 700 b; mv b x"
    assert (await sandbox.run(["sh", "-c", line])).stdout == "1\n"
    assert [(path, path.lstat().st_ctime_ns) for path in tree.rglob("*")] == before
    changed = spaces[0].diff()
    for told in (
        "--- a/f/g\n+++ /dev/null\n",
        "+++ b/f/new\n",
        "+++ b/x/d/e\n",
        "-1\n"[:0] + "+2\n",
    ):
        assert told in changed


async def test_what_the_host_writes_belongs_to_who_works_there(
    spaces: list[Workspace], opening: Opening
) -> None:
    from sandbox.tree import Tree

    spaces.append(copy_of(_FILES))
    Tree(spaces[0].root).write("deep/er/file", b"by the host\n")
    sandbox = await opening(spaces[0].root)
    line = "echo more >> deep/er/file && rm deep/er/file && touch deep/er/x b/x && rm -r deep"
    assert (await sandbox.run(["sh", "-c", line])).ok


async def test_a_virtual_environment_of_the_users_folder_is_used(
    tmp_path: Path, spaces: list[Workspace], opening: Opening
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    script = tmp_path / ".venv/bin/hello"
    script.write_text(f"#!{tmp_path}/.venv/bin/python\nimport sys\nprint(sys.prefix)\n")
    script.chmod(0o755)
    spaces.append(isolated(tmp_path))
    sandbox = await opening(spaces[0].root)
    assert sandbox.python == "/workspace/.venv/bin/python"
    assert (await sandbox.run(["hello"])).stdout == f"{tmp_path}/.venv\n"


async def test_what_a_dead_warden_held_is_broken_and_the_next_one_works(opening: Opening) -> None:
    space = copy_of(_FILES)
    sandbox = await opening(space.root)
    assert (await sandbox.run(["true"])).ok
    (child,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"sandbox.warden.serve" in path.read_bytes() and _parent(path.parent) == os.getpid()
    ]
    os.kill(child, 9)
    with pytest.raises(SandboxBroken, match="its warden has died; start"):
        await _until_broken(sandbox)
    assert (space.root / "a").read_text() == "1\n"
    with pytest.raises(SandboxBroken, match="changes are lost"):
        space.diff()
    space.close()
    again = copy_of(_FILES)
    fresh = await opening(again.root)
    assert (await fresh.run(["cat", "a"])).stdout == "1\n"
    assert warden().generation >= 2
    again.close()


async def _until_broken(sandbox: Sandbox) -> None:
    while True:
        await sandbox.run(["true"])


def _parent(process: Path) -> int:
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])


def test_a_copy_where_overlays_are_not_allowed(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    (tree / "link").symlink_to("/etc")
    space = isolated(tree, plain=True)
    assert space.stage is None
    assert (space.root / "link").is_symlink()
    assert not (space.root / "pipe").exists()
    (space.root / "a").write_text("changed\n")
    assert "+changed" in space.diff()
    assert (tree / "a").read_text() == "1\n"
    root = space.root
    space.close()
    assert not root.exists()
