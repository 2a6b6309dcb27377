"""What sandboxed commands cannot see and cannot do; where it makes sense, with a control."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.sandbox import Sandbox, SandboxBroken, SandboxUnavailable
from tests.sandbox.opening import Opening


async def test_a_command_works_in_the_workspace(sandbox: Sandbox) -> None:
    command = "pwd; cat; echo $WORD >&2; echo made > file; exit 7"
    completed = await sandbox.run(["sh", "-c", command], stdin=b"given\n", env={"WORD": "said"})
    assert completed.exit_code == 7
    assert completed.stdout == f"{sandbox.workdir}\ngiven\n"
    assert completed.stderr == "said\n"
    assert not completed.ok
    assert (sandbox.root / "file").read_text() == "made\n"


async def test_many_at_once_do_not_mix(sandbox: Sandbox) -> None:
    ended = await asyncio.gather(*(sandbox.run(["echo", str(n)]) for n in range(8)))
    assert [completed.stdout for completed in ended] == [f"{n}\n" for n in range(8)]


async def test_a_missing_command_is_a_failed_command(sandbox: Sandbox) -> None:
    completed = await sandbox.run(["no-such-command"])
    assert completed.exit_code == 127


async def test_a_signal_is_a_negative_exit_code(sandbox: Sandbox) -> None:
    assert (await sandbox.run(["sh", "-c", "kill -SEGV $$"])).exit_code == -11


async def test_the_parents_environment_is_invisible(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib
from sandbox.backend import open_sandbox
async def main():
    sandbox = await open_sandbox(pathlib.Path({str(tmp_path)!r}))
    command = "env; cat /proc/*/environ /proc/*/cmdline; echo read"
    print((await sandbox.run(["sh", "-c", command])).stdout)
asyncio.run(main())
"""
    secret = "sk-very-secret-0123"
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "ANTHROPIC_API_KEY": secret},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PATH=" in run.stdout
    assert run.stdout.strip().endswith("read")
    assert secret not in run.stdout


async def test_there_is_no_network(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('in')"
        outside = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert outside.stdout == b"in\n"
        inside = await sandbox.run(["python3", "-c", code])
    assert inside.exit_code == 1
    assert "refused" in inside.stderr
    interfaces = await sandbox.run(["cat", "/proc/net/dev"])
    assert [line.split(":")[0].strip() for line in interfaces.stdout.splitlines()[2:]] == ["lo"]


async def test_unix_sockets_of_the_host_are_out_of_reach(sandbox: Sandbox, tmp_path: Path) -> None:
    name = f"\0assistant-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({name!r}); print('in')"
        outside = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert outside.stdout == b"in\n"
        inside = await sandbox.run(["python3", "-c", code])
    assert inside.exit_code == 1
    assert "refused" in inside.stderr


async def test_files_outside_are_invisible_and_the_system_is_read_only(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    (sandbox.root / "link").symlink_to(secret)
    for path in (str(secret), "link", f"/proc/1/root{secret}", "/etc/shadow", "/root/.ssh"):
        assert not (await sandbox.run(["cat", path])).ok
    for path in ("/usr/evil", "/etc/evil", "/opt/bin/rg", "/opt/lent/pytest/__init__.py", "/evil"):
        written = await sandbox.run(["sh", "-c", f"echo x >> {path}"])
        assert not written.ok
        assert "ead-only" in written.stderr
    code = f"import os; os.link({str(secret)!r}, 'hard')"
    assert not (await sandbox.run(["python3", "-c", code])).ok


async def test_the_kernel_cannot_be_configured(sandbox: Sandbox) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_bytes()
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
        assert not (await sandbox.run(["sh", "-c", f"echo x > {path}"])).ok
    assert Path("/proc/sys/kernel/core_pattern").read_bytes() == before
    for command in (
        "mount -t tmpfs x /tmp",
        "unshare -r true",
        "umount /proc/sys",
        "chroot / true",
    ):
        assert not (await sandbox.run(["sh", "-c", command])).ok
    status = (await sandbox.run(["cat", "/proc/self/status"])).stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


async def test_processes_outside_are_invisible(sandbox: Sandbox) -> None:
    pids = (await sandbox.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"])).stdout
    assert int(pids) < 8
    assert not (await sandbox.run(["kill", "-0", str(os.getpid())])).ok


async def test_temporary_files_stay_as_long_as_the_sandbox(
    sandbox: Sandbox, opening: Opening
) -> None:
    assert (await sandbox.run(["sh", "-c", "echo x > /tmp/x && echo x > ~/x"])).ok
    assert (await sandbox.run(["sh", "-c", "ls /tmp/x ~/x"])).ok
    await sandbox.close()
    again = await opening(sandbox.root)
    assert not (await again.run(["ls", "/tmp/x"])).ok
    assert not (await again.run(["sh", "-c", "ls ~/x"])).ok


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


async def test_git_works_but_what_it_runs_cannot_be_planted(
    repository: Path, opening: Opening
) -> None:
    sandbox = await opening(repository)
    before = (repository / ".git/config").read_bytes()
    commit = (
        "echo x > x && git add x && git -c user.name=n -c user.email=e@e commit -qm m && git log"
    )
    assert (await sandbox.run(["sh", "-c", commit])).ok
    for attack in (
        "echo evil > .git/hooks/pre-commit",
        "echo evil >> .git/config",
        "git config core.fsmonitor evil",
        "mv .git away && mkdir -p .git/hooks",
        "mv .git/hooks .git/h && mkdir .git/hooks",
        "rm -rf .git/hooks && mkdir .git/hooks && echo evil > .git/hooks/pre-commit",
        "ln .git/config c && echo evil >> c",
    ):
        assert not (await sandbox.run(["sh", "-c", attack])).ok, attack
    assert (repository / ".git/config").read_bytes() == before
    assert not (repository / ".git/hooks/pre-commit").exists()


async def test_another_folder_cannot_become_the_configuration(
    repository: Path, opening: Opening
) -> None:
    sandbox = await opening(repository)
    plant = (
        "cp -r .git evil; git config -f evil/config user.name evil; echo ../evil > .git/commondir"
    )
    assert (await sandbox.run(["sh", "-c", f"{plant}; git config user.name"])).stdout == "evil\n"
    line = ["git", "-C", str(repository), "config", "user.name"]
    name = subprocess.run(line, capture_output=True, check=False).stdout
    assert name != b"evil\n"


async def test_hooks_cannot_be_planted_where_there_are_none(
    repository: Path, opening: Opening
) -> None:
    shutil.rmtree(repository / ".git/hooks")
    sandbox = await opening(repository)
    assert not (await sandbox.run(["sh", "-c", "echo evil > .git/hooks/pre-commit"])).ok
    assert not (repository / ".git/hooks/pre-commit").exists()


async def test_a_repository_with_linked_hooks_is_refused(
    repository: Path, opening: Opening
) -> None:
    shutil.rmtree(repository / ".git/hooks")
    (repository / ".git/hooks").symlink_to("/tmp")
    with pytest.raises(SandboxUnavailable, match="is a link"):
        await opening(repository)


async def test_read_only_paths_cannot_be_changed_or_moved(tmp_path: Path, opening: Opening) -> None:
    (tmp_path / "tests/unit").mkdir(parents=True)
    kept = tmp_path / "tests/unit/test_a.py"
    kept.write_text("kept")
    sandbox = await opening(tmp_path, readonly=[Path("tests/unit/test_a.py")])
    for attack in (
        "echo evil > tests/unit/test_a.py",
        "rm tests/unit/test_a.py",
        "mv tests/unit/test_a.py x",
        "mv tests/unit x",
        "mv tests x",
    ):
        assert not (await sandbox.run(["sh", "-c", attack])).ok, attack
    assert (await sandbox.run(["sh", "-c", "echo fine > tests/unit/other"])).ok
    assert kept.read_text() == "kept"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
async def test_read_only_paths_lie_in_the_workspace(
    tmp_path: Path, path: str, opening: Opening
) -> None:
    with pytest.raises(SandboxUnavailable, match="not inside"):
        await opening(tmp_path, readonly=[Path(path)])


async def test_a_broken_sandbox_is_not_a_failed_command(tmp_path: Path, opening: Opening) -> None:
    root = tmp_path / "gone"
    root.mkdir()
    sandbox = await opening(root)
    root.rmdir()
    with pytest.raises(SandboxBroken, match=r"could not be started: .*No such file"):
        await sandbox.run(["true"])


async def test_closing_ends_what_runs(sandbox: Sandbox) -> None:
    task = asyncio.create_task(sandbox.run(["sleep", "60"]))
    await asyncio.sleep(0.1)
    await sandbox.close()
    await sandbox.close()
    with pytest.raises(SandboxBroken, match="was closed"):
        await task


def test_control_c_is_not_for_the_command(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib, signal
from sandbox.backend import open_sandbox
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    sandbox = await open_sandbox(pathlib.Path({str(tmp_path)!r}))
    print("open", flush=True)
    print((await sandbox.run(["sh", "-c", "sleep 0.5; echo whole"])).stdout)
asyncio.run(main())
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert parent.stdout
    assert parent.stdout.readline() == b"open\n"
    time.sleep(0.2)
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.communicate()[0] == b"whole\n\n"
