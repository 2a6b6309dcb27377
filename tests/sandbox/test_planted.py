"""A repository that a command makes runs nothing on the host."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.planted import Planted, harmless
from tests.sandbox.opening import Opening
from tests.sandbox.somebody import as_somebody

_EVIL = """
git init -q {0} && printf '#!/bin/sh\\ntouch %s/ran\\n' "$OUT" > {0}/.git/hooks/post-checkout
chmod +x {0}/.git/hooks/post-checkout
git -C {0} config core.fsmonitor "touch $OUT/ran #"
git -C {0} config include.path ../evil
git -C {0} config user.name me
"""


def _plant(root: Path, out: Path, script: str) -> None:
    line = ["sh", "-ec", script]
    subprocess.run(line, cwd=root, env={**os.environ, "OUT": str(out)}, check=True)


def _use(folder: Path) -> None:
    """What a user's shell and a user do."""
    for words in ("status", "config user.name", "checkout -q -b other", "commit -qam x"):
        subprocess.run(["git", "-C", str(folder), *words.split()], capture_output=True, check=False)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


_WAYS = {
    "here": _EVIL.format("."),
    "among what is installed": _EVIL.format("node_modules/x"),
    "below": _EVIL.format("sub/deep"),
    "a bare one": _EVIL.format("x") + "mv x/.git bare; git config -f bare/config core.worktree ..",
    "behind a file": _EVIL.format("x") + "mkdir y; mv x/.git y/repo; echo gitdir: repo > y/.git",
    "behind a link": _EVIL.format("x") + "mkdir y; mv x/.git y/repo; ln -s repo y/.git",
    "hooks behind a link": _EVIL.format("x") + "mv x/.git/hooks h; ln -s ../../h x/.git/hooks",
    "config behind a link": _EVIL.format("x") + "mv x/.git/config c; ln -s ../../c x/.git/config",
    "common directory": _EVIL.format("x")
    + "git init -q y; echo ../../x/.git > y/.git/commondir; mv x/.git/HEAD x/.git/H",
    "a worktree's own": _EVIL.format("x")
    + "git -C x config extensions.worktreeConfig true; mv x/.git/config x/.git/config.worktree;"
    + "printf '[core]\\nrepositoryformatversion = 1\\n[extensions]\\nworktreeConfig = true\\n'"
    + "> x/.git/config",
    "a large configuration": _EVIL.format("x")
    + "head -c 2000000 /dev/zero | tr '\\0' '#' >> x/.git/config",
    "config behind the real path": _EVIL.format("x")
    + 'mv x/.git/config c; ln -s "$PWD/c" x/.git/config',
    "below what looks like one": _EVIL.format("x") + "touch HEAD; mkdir objects refs",
    "deep inside of another": _EVIL.format("y")
    + "git init -q x; mv y/.git x/.git/'inner ';"
    + "(echo 'gitdir: ../x/.git/inner '; yes '' | head -n 5000) > y/.git",
    "behind a link to a file": _EVIL.format("y")
    + "git init -q x; mv y/.git x/.git/objects/aa;"
    + "echo gitdir: ../x/.git/objects/aa > pointer; ln -s ../pointer y/.git",
    "inside of another": _EVIL.format("y")
    + "git init -q x; mv y/.git x/.git/inner;"
    + "echo gitdir: ../x/.git/inner > y/.git",
}


@pytest.mark.parametrize("way", _WAYS)
def test_nothing_of_it_runs(root: Path, out: Path, way: str) -> None:
    places = [
        Path(),
        *(Path(name) for name in ("sub/deep", "x", "y", "bare", "y/repo", "node_modules/x")),
    ]
    _plant(root, out, _WAYS[way])
    for place in places:
        _use(root / place)
    assert (out / "ran").exists(), "the attack works where nobody cleans"
    (out / "ran").unlink()
    subprocess.run(["rm", "-rf", *root.iterdir()], check=True)
    planted = Planted(root)
    _plant(root, out, _WAYS[way])
    planted.clean(True)
    for place in places:
        _use(root / place)
    assert not (out / "ran").exists()


def test_what_was_there_stays(root: Path, out: Path) -> None:
    _plant(root, out, _EVIL.format("."))
    before = (root / ".git/config").read_bytes()
    Planted(root).clean(True)
    assert (root / ".git/config").read_bytes() == before
    assert (root / ".git/hooks/post-checkout").exists()


def test_what_lay_there_and_becomes_a_repository_runs_nothing(root: Path, out: Path) -> None:
    """A repository that somebody cloned may bring the parts of another one."""
    _plant(root, out, _EVIL.format("x") + "mv x/.git parts; mv parts/HEAD parts/H; sleep 0.1")
    planted = Planted(root)
    _plant(root, out, "mv parts x/.git; mv x/.git/H x/.git/HEAD")
    planted.clean(True)
    _use(root / "x")
    assert not (out / "ran").exists()


_SHUT = """
import os, subprocess, time
from pathlib import Path
from sandbox.planted import Planted
root = Path("root").absolute()
(root / "mine").mkdir(parents=True)
(root / "mine").chmod(0o111)
time.sleep(0.1)
planted = Planted(root)
git = root / "x/y/.git"
subprocess.run(["git", "init", "-q", str(git.parent)], check=True)
(git / "hooks/post-commit").write_text("evil")
(git / "config").write_text("[core]\\n\\tfsmonitor = evil\\n")
for folder in (git / "hooks", git, git.parent, root / "x"):
    folder.chmod(0o111)
planted.clean(True)
print((git / "hooks/post-commit").exists(), (git / "config").read_text())
print(oct((root / "mine").stat().st_mode))
"""


def test_folders_that_nobody_can_list() -> None:
    """Git on the host does not need to."""
    assert as_somebody(_SHUT) == "False \n0o40111\n"


def test_in_large_trees_each_command_looks_further(root: Path, out: Path) -> None:
    for number in range(3000):
        (root / f"{number:04}").mkdir()
    planted = Planted(root)
    _plant(root, out, _EVIL.format("3000/deep"))
    for _ in range(1000):
        planted.clean(False)
    _use(root / "3000/deep")
    assert not (out / "ran").exists()


def test_what_lies_highest_is_seen_at_once_however_slow_the_machine(root: Path, out: Path) -> None:
    for folder in range(18):
        (root / f"{folder:02}").mkdir()
        for number in range(90):
            (root / f"{folder:02}/{number}").touch()
    planted = Planted(root)
    _plant(root, out, _EVIL.format("x"))
    planted.clean(False)
    _use(root / "x")
    assert not (out / "ran").exists()


def test_links_do_not_lead_out(root: Path, out: Path) -> None:
    planted = Planted(root)
    for name in ("config", "post-commit"):
        (out / name).write_text("the user's")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["rm", "-r", str(root / ".git/hooks"), str(root / ".git/config")], check=True)
    (root / ".git/hooks").symlink_to(out)
    (root / ".git/config").symlink_to(out / "config")
    planted.clean(True)
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "config": "the user's",
        "post-commit": "the user's",
    }


_TAMPER = """
echo evil > $1/.git/hooks/post-commit || rm -rf $1/.git/hooks
git -C $1 config core.fsmonitor evil
"""


@pytest.mark.parametrize("place", ["a", "a/b/c/d/e/f"])
async def test_what_was_there_below_cannot_be_changed(
    root: Path, opening: Opening, place: str
) -> None:
    folder = root / place / ".git"
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(folder.parent)], check=True)
    (folder / "hooks/mine").write_text("mine")
    before = {p: p.read_bytes() for p in (folder / "config", *(folder / "hooks").iterdir())}
    sandbox = await opening(root)
    await sandbox.run(["sh", "-c", _TAMPER, "sh", place])
    await sandbox.close()
    assert {p: p.read_bytes() for p in (folder / "config", *(folder / "hooks").iterdir())} == before


@pytest.mark.parametrize("name", [".vscode", ".envrc", "assistant.toml"])
async def test_settings_that_run_programs_cannot_be_changed(
    root: Path, opening: Opening, name: str
) -> None:
    (root / name).mkdir() if name == ".vscode" else (root / name).touch()
    file = root / name / "tasks.json" if name == ".vscode" else root / name
    file.write_text("mine")
    sandbox = await opening(root)
    for attack in (f"echo evil > {file.relative_to(root)}", f"rm -rf {name}", f"mv {name} x"):
        assert not (await sandbox.run(["sh", "-c", attack])).ok
    assert file.read_text() == "mine"


async def test_a_command_plants_nothing(root: Path, opening: Opening) -> None:
    sandbox = await opening(root)
    made = await sandbox.run(["sh", "-ec", _EVIL.format(".")], env={"OUT": "/tmp"})
    assert made.ok, made.stderr
    assert not (root / ".git/hooks/post-checkout").exists()
    assert "fsmonitor" not in (root / ".git/config").read_text()
    name = subprocess.check_output(["git", "-C", str(root), "config", "user.name"], text=True)
    assert name == "me\n"
    assert (await sandbox.run(["git", "status"])).ok


def test_what_git_writes_is_kept(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    git = ["git", "-C", str(tmp_path), "config"]
    for name, value in {
        "user.email": "me@example.org",
        "remote.origin.url": "https://example.org/a/b.git",
        "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
        "branch.main.merge": "refs/heads/main",
    }.items():
        subprocess.run([*git, name, value], check=True)
    text = (tmp_path / ".git/config").read_text()
    assert harmless(text) == text


_NAMES = st.sampled_from(["url", "fetch", "sshCommand", "bare", "name", "path", "worktree"])
_VALUES = st.sampled_from(
    ["ext::sh", "true", "x\\", '"a', "#", "-oP=x", "a;b", "`x`", "\\\n[core]"]
)
_HEADS = st.sampled_from(
    ["[core]", "[include]", '[remote "x"]', '[remote "a\\"]"]', "[core] x = y"]
)


@given(st.lists(_HEADS | st.tuples(_NAMES, _VALUES).map("\t{0[0]} = {0[1]}".format)))
def test_the_rest_is_not(lines: list[str]) -> None:
    for line in harmless("\n".join(lines)).splitlines():
        if line not in ("[core]", '[remote "x"]'):
            name, _, value = line.strip().partition(" = ")
            assert (name, value) in {(n, v) for n in ("bare", "fetch") for v in ("ext::sh", "true")}
