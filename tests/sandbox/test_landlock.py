"""The reduced sandbox: what it holds beyond what holds for every backend, and what it does not."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.backend import BACKENDS, open_sandbox
from sandbox.interpreter import ripgrep
from sandbox.landlock import RESIDUAL, missing
from sandbox.limits import Limits
from sandbox.network import Network
from sandbox.sandbox import Sandbox, SandboxUnavailable
from sandbox.workspace import copy_of

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture
async def reduced(tmp_path: Path) -> AsyncIterator[Sandbox]:
    root = tmp_path / "workspace"
    root.mkdir()
    sandbox = await open_sandbox(root, backend="landlock")
    yield sandbox
    await sandbox.close()


async def _python(sandbox: Sandbox, code: str) -> str:
    ended = await sandbox.run([sandbox.python, "-c", code])
    return ended.stdout + ended.stderr


async def test_a_command_works_in_the_workspace(reduced: Sandbox) -> None:
    assert reduced.name == "landlock (reduced)"
    command = "pwd; cat; echo $WORD >&2; echo made > file; echo x > ~/x; echo x > $TMPDIR/x; exit 7"
    ended = await reduced.run(["sh", "-c", command], stdin=b"given\n", env={"WORD": "said"})
    assert (ended.exit_code, ended.stdout) == (7, f"{reduced.root}\ngiven\n")
    assert ended.stderr == "said\n"
    assert (reduced.root / "file").read_text() == "made\n"


async def test_programs_of_the_machine_and_ours_work(reduced: Sandbox) -> None:
    (reduced.root / "test_x.py").write_text("def test_x(tmp_path): (tmp_path / 'x').touch()\n")
    commands = [
        "pytest -q",
        "python -m pytest -q",
        "git init -q . && git -c user.name=n -c user.email=e@e commit -qm m --allow-empty",
        "python -m venv --without-pip v && v/bin/python -c 'import ssl, sqlite3'",
    ]
    if ripgrep():
        commands.append("rg --version")
    if shutil.which("cc"):
        commands.append("echo 'int main(){return 0;}' > a.c && cc a.c -o a && ./a")
    for command in commands:
        ended = await reduced.run(["sh", "-c", command])
        assert ended.ok, f"{command}: {ended.stdout}{ended.stderr}"


async def test_packages_of_ours_cannot_be_imported(reduced: Sandbox) -> None:
    said = await _python(reduced, "import sys; print(*sys.path, sep='\\n'); import langgraph")
    assert "No module named 'langgraph'" in said
    assert "site-packages" not in said.replace(str(reduced.root), "")


async def test_files_outside_cannot_be_read_written_or_listed(
    reduced: Sandbox, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    (reduced.root / "link").symlink_to(secret)
    for command in (
        f"cat {secret}", "cat link", f"echo x > {secret}", f"rm {secret}", f"ln {secret} hard",
        f"mv {secret} moved", "cat /etc/shadow", "ls /", f"ls {tmp_path}", "ls /tmp /root",
        "echo x > /dev/shm/assistant-test", "cat /proc/1/environ", "cat /proc/kcore",
        "echo x > /proc/sys/kernel/core_pattern", "mknod null c 1 3",
        "mkdir /sys/fs/cgroup/memory/x",
    ):  # fmt: skip
        ended = await reduced.run(["sh", "-c", command])
        assert not ended.ok, command
        assert "hidden" not in ended.stdout
    assert secret.read_text() == "hidden"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A file outside."""
    path = tmp_path / "theirs"
    path.write_text("x")
    path.chmod(0o600)
    os.utime(path, (1, 1))
    return path


CHANGES = {
    "chmod": "os.chmod({path!r}, 0o777)",
    "chmod through a link": "os.symlink({path!r}, 'link'); os.chmod('link', 0o777)",
    "chmod in a folder": "os.chmod({name!r}, 0o777, dir_fd=os.open({folder!r}, os.O_PATH))",
    "chmod by way of /proc": "os.chmod('/proc/self/cwd/../' + {name!r}, 0o777)",
    "fchmod": "os.fchmod(os.open('/usr/bin/env', os.O_RDONLY), 0o755)",
    "chown": "os.chown({path!r}, 65534, 65534)",
    "chown of nothing": "os.chown({path!r}, -1, -1)",
    "utime": "os.utime({path!r}, (5, 5))",
    "utime of now": "os.utime({path!r})",
    "setxattr": "os.setxattr({path!r}, 'user.x', b'x')",
    "removexattr": "os.removexattr({path!r}, 'user.x')",
}


@pytest.mark.parametrize("name", CHANGES)
async def test_modes_owners_and_times_outside_cannot_be_changed(
    name: str, reduced: Sandbox, theirs: Path
) -> None:
    before = theirs.stat(), Path("/usr/bin/env").stat().st_mode
    code = CHANGES[name].format(path=str(theirs), name=theirs.name, folder=str(theirs.parent))
    said = await _python(reduced, f"import os; {code}; print('done')")
    assert "done" not in said
    assert "PermissionError" in said or "Operation not supported" in said
    assert (theirs.stat(), Path("/usr/bin/env").stat().st_mode) == before


async def test_modes_owners_and_times_inside_are_changed(reduced: Sandbox) -> None:
    code = """
import os, shutil, stat
open("a b", "w").close(); os.mkdir("d"); os.symlink("a b", "l")
os.chmod("a b", 0o640); assert stat.S_IMODE(os.stat("a b").st_mode) == 0o640
os.chmod("l", 0o600); assert stat.S_IMODE(os.stat("a b").st_mode) == 0o600
os.fchmod(os.open("a b", os.O_RDWR), 0o755); assert os.access("a b", os.X_OK)
os.chmod("d", 0o1777); assert stat.S_IMODE(os.stat("d").st_mode) == 0o1777
os.utime("a b", ns=(1_000_000_007, 2_000_000_009))
assert os.stat("a b").st_mtime_ns == 2_000_000_009
os.utime("l", (3, 4), follow_symlinks=False); assert os.lstat("l").st_mtime == 4
assert os.stat("a b").st_mtime_ns == 2_000_000_009
os.utime("a b"); assert os.stat("a b").st_mtime > 10**9
os.utime(os.open("a b", os.O_RDWR), (7, 8)); assert os.stat("a b").st_mtime == 8
os.chown("a b", os.getuid(), os.getgid())
shutil.copy2("a b", "copy"); assert os.stat("copy").st_mtime == 8
here = os.open("d", os.O_RDONLY); open("d/x", "w").close()
os.chmod("x", 0o700, dir_fd=here); assert os.access("d/x", os.X_OK)
os.chmod(f"/proc/self/fd/{here}", 0o755); assert stat.S_IMODE(os.stat("d").st_mode) == 0o755
for wrong in ("none", "n" * 300, "a b/x"):
    try: os.chmod(wrong, 0o600)
    except OSError: pass
    else: raise AssertionError(wrong)
print("all")
"""
    assert await _python(reduced, code) == "all\n"


# None of them does harm where it succeeds.
ATTEMPTS = {
    "tcp": "socket.socket()",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a socket by its path": "socket.socket(socket.AF_UNIX).connect({path!r})",
    "a datagram by a pair": "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', {path!r})",
    "a raw pair": "socket.socketpair(type=socket.SOCK_RAW)",
    "a stream of a pair, elsewhere": "socket.socketpair()[0].connect({path!r})",
    "a signal": "os.kill({pid}, 0)",
    "a signal by a pidfd": "signal.pidfd_send_signal(os.pidfd_open({pid}), 0)",
    "limits": "resource.prlimit({pid}, resource.RLIMIT_NOFILE)",
    "turns": "os.setpriority(os.PRIO_PROCESS, {pid}, 0)",
    "turns of the user": "os.setpriority(os.PRIO_USER, 0, 0)",
    "processors": "os.sched_setaffinity({pid}, range(os.cpu_count()))",
    "memory": "open('/proc/{pid}/mem', 'rb')",
    "the root": "os.listdir('/proc/{pid}/root')",
    "descriptors": "open('/proc/{pid}/fd/0', 'rb')",
    "trace": "call(101, 16, {pid}, 0, 0)",
    "shared memory": "call(29, 12345, 4096, 0o1600)",
    "a queue": "call(68, 12345, 0o1600)",
    "watching files": "call(254, call(294, 0), b'/root', 0x100)",
    "a namespace": "call(272, 0x10000000)",
    "a handle": "call(303, -100, b'/etc/shadow', ctypes.create_string_buffer(200), 0, 0)",
}
PRELUDE = """
import ctypes, os, resource, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    got = libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
print("ran")
try: exec(sys.argv[1])
except OSError as error: print("refused", error)
else: print("done")
"""


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_refused(name: str, reduced: Sandbox, tmp_path: Path) -> None:
    place = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(place)
        code = ATTEMPTS[name].format(path=place, pid=os.getpid())
        ended = await reduced.run([reduced.python, "-c", PRELUDE, code])
    assert ended.stdout.startswith("ran\nrefused"), ended.stdout + ended.stderr


async def test_a_command_cannot_reach_the_supervisor_or_another(reduced: Sandbox) -> None:
    other = await reduced.start(["sleep", "60"])
    code = """
import os
for pid in (os.getppid(), *map(int, filter(str.isdigit, os.listdir("/proc")))):
    if pid == os.getpid(): continue
    for attack in (lambda: os.kill(pid, 0), lambda: open(f"/proc/{pid}/mem", "r+b")):
        try: attack()
        except OSError: continue
        print("reached", pid)
print("tried")
"""
    assert await _python(reduced, code) == "tried\n"
    assert (await reduced.run(["echo", "well"])).stdout == "well\n"
    await other.kill()


def _alive(mark: str) -> bool:
    return subprocess.run(["pgrep", "-f", mark], capture_output=True, check=False).returncode == 0


async def test_what_a_command_leaves_is_killed(reduced: Sandbox) -> None:
    mark = f"31415.{os.getpid()}"
    daemon = f"setsid sh -c 'sleep {mark} & sleep {mark}' >/dev/null 2>&1 &"
    await reduced.run(["sh", "-c", daemon])
    assert not _alive(mark)


async def test_protected_files_are_put_back(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/t").write_text("kept")
    config = (tmp_path / ".git/config").read_bytes()
    sandbox = await open_sandbox(tmp_path, backend="landlock", readonly=[Path("tests/t")])
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    for attack in (
        "echo evil > .git/hooks/pre-commit; echo evil >> .git/config",
        "rm -rf .git/hooks; ln -s /tmp .git/hooks; rm .git/config; mkdir -p .git/config/x",
        f"mv .git away; ln -s {outside} .git",
        f"mv tests t; ln -s {outside} tests",
        "rm -rf .git tests; mkfifo tests; mkdir -p .git/hooks; echo evil > .git/hooks/pre-push",
        "rm tests/t; mkdir tests/t",
        "ln .git/config c; echo evil >> c",
    ):
        assert (await sandbox.run(["sh", "-c", attack])).exit_code in (0, 1)
        assert (tmp_path / "tests/t").read_text() == "kept", attack
        assert (tmp_path / ".git/config").read_bytes() == config, attack
        hooks = [path.name for path in (tmp_path / ".git/hooks").iterdir()]
        assert all(name.endswith(".sample") for name in hooks), attack
    assert not list(outside.iterdir())
    await sandbox.close()


async def test_memory_and_time_are_limited(tmp_path: Path) -> None:
    limits = Limits(memory_mb=128, seconds=20)
    sandbox = await open_sandbox(tmp_path, backend="landlock", limits=limits)
    several = "import os; os.fork(); os.fork(); x = b'x' * 70_000_000; import time; time.sleep(4)"
    ended = await sandbox.run(["python", "-c", several])
    # Which of the four is killed is chance; where it is a child, the command itself goes on.
    assert "more than 128 MB of memory" in ended.killed + ended.stderr
    assert (await sandbox.run(["sleep", "60"], seconds=0.2)).timed_out
    await sandbox.close()


async def test_nothing_is_left(tmp_path: Path) -> None:
    sandbox = await open_sandbox(tmp_path, backend="landlock")
    home = (await sandbox.run(["sh", "-c", "echo x > ~/x; echo $HOME"])).stdout.strip()
    assert Path(home, "x").exists()
    await sandbox.close()
    assert not Path(home).parent.exists()


_PARENT = """
import asyncio, pathlib, sys
from sandbox.backend import open_sandbox
async def main():
    sandbox = await open_sandbox(pathlib.Path(sys.argv[1]), backend="landlock")
    print((await sandbox.run(["sh", "-c", "echo $HOME"])).stdout, end="", flush=True)
    await sandbox.start(["sh", "-c", "setsid sleep " + sys.argv[2] + " & sleep " + sys.argv[2]])
    print("runs", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    mark = f"27182.{os.getpid()}"
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path), mark],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    private = Path(parent.stdout.readline().strip()).parent
    assert parent.stdout.readline() == "runs\n"
    assert private.exists()
    parent.kill()
    parent.communicate()
    async with asyncio.timeout(10):
        while (
            private.exists()
            or subprocess.run(["pgrep", "-f", mark], check=False, capture_output=True).stdout
        ):
            await asyncio.sleep(0.05)


_WITHOUT_NAMESPACES = """
import asyncio, ctypes, pathlib, sys
from sandbox import refusals, seccomp
names = refusals.Rule(("unshare", "setns", "mount", "umount2", "pivot_root", "open_tree"))
clones = [rule for rule in refusals.COMMON if {"clone", "clone3"} & set(rule.calls)]
program = seccomp.program(rules=(names, *(refusals.Rule((c,), r.where, r.error) for r in clones
                                          for c in r.calls if c != "openat2")))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
held = ctypes.create_string_buffer(program, len(program))
line = (len(program) // 8).to_bytes(8, "little") + ctypes.addressof(held).to_bytes(8, "little")
assert libc.prctl(22, 2, line, 0, 0) == 0
async def main():
    from sandbox.backend import open_sandbox
    from sandbox.workspace import copy_of
    workspace = copy_of({"a": "b"})
    sandbox = await open_sandbox(workspace.root)
    print(sandbox.name, (await sandbox.run(["cat", "a"])).stdout)
    await sandbox.close()
    workspace.close()
asyncio.run(main())
"""


def test_it_is_chosen_where_namespaces_are_refused() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT_NAMESPACES],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "DOCKER_HOST": "unix:///nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "landlock (reduced) b\n", ended.stderr


async def test_what_it_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="list of domains"):
        await open_sandbox(tmp_path, backend="landlock", network=Network(()))
    workspace = copy_of({"a": "b"})
    if workspace.stage is not None:
        with pytest.raises(SandboxUnavailable, match="copy-on-write"):
            await open_sandbox(workspace.root, backend="landlock")
    workspace.close()


async def test_the_residual_list_is_true_and_told(reduced: Sandbox, theirs: Path) -> None:
    """Each of these is a gap; where one is closed, its line has to go."""
    me, mine = os.getpid(), Path("/proc/self/cmdline").read_text("utf-8")
    code = f"""
import json, os, socket
told = {{}}
told["names"] = open("/proc/{me}/cmdline").read() == {mine!r}
told["whether a path exists"] = os.stat({str(theirs)!r}).st_mtime == 1
told["root"] = os.getuid() == os.stat(".").st_uid
try: socket.create_server(("127.0.0.1", 0))
except OSError: told["network"] = True
told["space"] = os.statvfs(os.environ["TMPDIR"]).f_blocks == os.statvfs(".").f_blocks
os.makedirs(".git/hooks")
print(json.dumps(told))
"""
    assert all(json.loads(await _python(reduced, code)).values())
    about = BACKENDS["landlock"].describe()
    assert about.startswith("reduced")
    assert all(line in about for line in RESIDUAL)
