"""Without a working sandbox there is one sentence, and nothing runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.backend import canary, open_sandbox
from sandbox.sandbox import SandboxUnavailable

_SCRIPT = """
import asyncio, pathlib, sys
from sandbox.backend import open_sandbox
from sandbox.refused import Refused
try:
    asyncio.run(open_sandbox(pathlib.Path(sys.argv[1]), backend="bubblewrap"))
except Refused as refused:
    print(refused)
"""


def _refusal(folder: Path, path: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder)],
        env={**os.environ, "PATH": path},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _fake(folder: Path, said: str) -> str:
    folder.mkdir()
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    return str(folder)


async def test_the_canary_lives_here() -> None:
    assert await canary() is None


def test_without_bubblewrap(tmp_path: Path) -> None:
    said = _refusal(tmp_path, "/nonexistent")
    assert said.count("\n") == 1
    assert "bubblewrap (bwrap) is not installed" in said
    assert "apt-get install bubblewrap" in said


@pytest.mark.parametrize(
    ("failure", "mend"),
    [
        ("bwrap: No permissions to create new namespace", "unprivileged user namespaces"),
        ("bwrap: setting up uid map: Permission denied", "unprivileged user namespaces"),
        ("bwrap: Unknown option --disable-userns", "install version 0.8 or newer"),
        ("bwrap: something else", "make `bwrap --ro-bind / / --unshare-all true` work"),
    ],
)
def test_with_a_bubblewrap_that_does_not_work(tmp_path: Path, failure: str, mend: str) -> None:
    said = _refusal(tmp_path, _fake(tmp_path / "bin", failure))
    assert said.count("\n") == 1
    assert failure in said
    assert mend in said


def test_with_a_bubblewrap_that_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bwrap").symlink_to("/bin/true")
    assert "No sandbox" in _refusal(tmp_path, str(tmp_path / "bin"))


async def test_a_workspace_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="not a folder"):
        await open_sandbox(tmp_path / "nowhere")


async def test_no_sandbox_is_for_who_asks_for_it_by_name(tmp_path: Path) -> None:
    sandbox = await open_sandbox(tmp_path, backend="none")
    assert sandbox.name == "none"
    assert (await sandbox.run(["pwd"])).stdout == f"{tmp_path}\n"
    await sandbox.close()
    assert (await open_sandbox(tmp_path)).name == "bubblewrap"


async def test_an_unknown_name_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="no sandbox called bwrap; choose one of bubble"):
        await open_sandbox(tmp_path, backend="bwrap")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_bubblewrap_that_only_root_may_use_is_used_as_root(tmp_path: Path) -> None:
    real = shutil.which("bwrap")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "bwrap").write_text(f'#!/bin/sh\n[ "$(id -u)" = 0 ] || exit 1\nexec {real} "$@"\n')
    (folder / "bwrap").chmod(0o755)
    script = """
import asyncio, pathlib, sys
from sandbox.backend import BACKENDS, open_sandbox
from sandbox.workspace import copy_of
async def main(root):
    sandbox = await open_sandbox(root, backend="bubblewrap")
    print((await sandbox.run(["sh", "-c", "echo x > made; cat made"])).stdout)
    await sandbox.close()
    print(BACKENDS["bubblewrap"].describe())
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.startswith("x\n"), run.stderr
    assert "as root, without capabilities" in run.stdout
