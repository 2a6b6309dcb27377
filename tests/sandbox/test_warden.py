"""The process beside us: what it offers, what it removes, and as whom it starts things."""

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from threading import Thread
from typing import ClassVar, cast

import pytest

from sandbox.backend import BACKENDS
from sandbox.sandbox import SandboxBroken
from sandbox.warden.client import Denied, Warden
from tests.sandbox.opening import Opening

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


def test_without_mounts_of_its_own_it_has_no_stages(tmp_path: Path) -> None:
    warden = Warden(private=False)
    facts, _ = warden.ask("facts")
    assert facts == {"place": "", "root": False, "stages": False, "dropping": False}
    with pytest.raises(Denied):
        warden.ask("over_tree", str(tmp_path), 8)
    warden.close()


def test_what_it_cannot_do_is_denied_and_it_goes_on() -> None:
    warden = Warden()
    with pytest.raises(Denied, match=r"/nowhere: No such file or directory"):
        warden.ask("keep", ["/nowhere"]) if os.geteuid() == 0 else warden.ask(
            "over_tree", "/nowhere", 8
        )
    assert warden.ask("facts")[0]
    warden.close()


def test_a_mistake_ends_it_and_the_next_request_starts_another() -> None:
    warden = Warden()
    with pytest.raises(SandboxBroken, match="no attribute 'nonsense'"):
        warden.ask("nonsense")
    assert warden.ask("facts")[0]
    assert warden.generation == 2
    warden.close()


def test_long_requests_and_answers(tmp_path: Path) -> None:
    """A workspace may have thousands of protected files."""
    warden = Warden()
    try:
        paths = [str(tmp_path)] * 20_000
        kept, _ = warden.ask("keep", paths)
        assert len(cast("list[str]", kept)) == len(paths)
        assert warden.generation == 1
    finally:
        warden.close()


def test_nobody_interrupted_gets_the_next_answer(tmp_path: Path) -> None:
    script = """
import os, signal, threading, time
from sandbox.warden.client import Warden
warden = Warden()
warden.ask("facts")
main, interrupted = os.getpid(), 0
for number in range(300):
    timer = threading.Timer(0.0001 * (number % 20), os.kill, (main, signal.SIGINT))
    try:
        timer.start()
        while timer.is_alive():
            assert isinstance(warden.ask("facts")[0], dict)
            assert warden.ask("guard", "tree", "/nowhere")[0] is None
        time.sleep(0.01)
    except KeyboardInterrupt:
        interrupted += 1
assert isinstance(warden.ask("facts")[0], dict)
warden.close()
print(interrupted)
"""
    line = [sys.executable, "-c", script]
    run = subprocess.run(
        line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert run.stdout == "300\n", run.stderr


class _Engine(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_DELETE(self) -> None:
        self.asked.append(self.path)
        self.send_response(204)
        self.end_headers()


def test_what_is_guarded_goes_with_its_owner(tmp_path: Path) -> None:
    tree, kept = tmp_path / "tree", tmp_path / "kept"
    for folder in (tree / "deep/er", kept):
        folder.mkdir(parents=True)
    (tree / "deep").chmod(0)
    path = str(tmp_path / "engine.sock")
    with UnixStreamServer(path, _Engine) as engine:
        Thread(target=engine.serve_forever).start()
        warden = Warden()
        warden.ask("guard", "tree", str(tree))
        warden.ask("guard", "tree", str(kept))
        warden.ask("guard", "nonsense", "is passed over")
        warden.ask("guard", "container", (path, "abc"))
        warden.ask("forget", "tree", str(kept))
        warden.close()
        engine.shutdown()
    assert not tree.exists()
    assert kept.exists()
    assert _Engine.asked == ["/containers/abc?force=1&v=1"]


@AS_ROOT
async def test_roots_commands_are_somebody_elses_and_their_files_roots(
    tmp_path: Path, opening: Opening
) -> None:
    sandbox = await opening(tmp_path)
    mark = "31415.905"
    process = await sandbox.start(["sh", "-c", f"echo x > made; sleep {mark}"])
    while not _owners(mark):
        time.sleep(0.01)
    assert _owners(mark) == {61234}
    await process.kill()
    assert (tmp_path / "made").stat().st_uid == 0
    assert sandbox.name == "bubblewrap"


def _owners(mark: str) -> set[int]:
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(f"sleep\0{mark}".encode()):
                status = (path.parent / "status").read_text()
                found.add(int(status.partition("Uid:")[2].split()[0]))
        except OSError:
            continue
    return found


@AS_ROOT
def test_where_owners_cannot_be_shown_it_is_root_without_capabilities(tmp_path: Path) -> None:
    script = """
import asyncio, pathlib, sys
from sandbox.backend import open_sandbox
async def main(root):
    sandbox = await open_sandbox(root)
    attack = "grep CapEff /proc/self/status; echo x > made; echo x > /proc/sys/kernel/core_pattern"
    print(await sandbox.run(["sh", "-c", attack]), (root / "made").stat().st_uid)
    await sandbox.close()
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""
    mounted = 'mount -t ramfs -o mode=755 none "$0" && exec "$@"'
    line = ["unshare", "-m", "sh", "-c", mounted, str(tmp_path)]
    if subprocess.run([*line, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    line += [sys.executable, "-c", script, str(tmp_path)]
    run = subprocess.run(
        line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert "CapEff:\\t0000000000000000" in run.stdout, run.stderr
    assert "core_pattern: Read-only" in run.stdout
    assert run.stdout.endswith(" 0\n")


def test_it_is_described() -> None:
    assert "cgroup" in BACKENDS["bubblewrap"].describe()
