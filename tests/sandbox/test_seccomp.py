"""What the filter of system calls closes: each attempt works without it, and not within."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from sandbox import seccomp
from sandbox.sandbox import Sandbox

ATTEMPTS = {
    "vsock": "socket.socket(40, socket.SOCK_STREAM)",
    "netlink": "socket.socket(16, socket.SOCK_DGRAM)",
    "packet": "socket.socket(17, socket.SOCK_DGRAM)",
    "raw over a flag": "socket.socket(2, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 1)",
    "unshare a user namespace": "call(272, 0x10000000)",
    "clone into a user namespace": "call(56, 0x10000011, 0, 0, 0, 0) or os._exit(0)",
    "keyring": "call(248, b'user', b'attempt', b'x', 1, -3)",
    "io_uring": "call(425, 1, ctypes.create_string_buffer(120))",
    "userfaultfd": "call(323, 1)",
    "perf": "call(298, struct.pack('IIQ104x', 1, 120, 0), 0, -1, -1, 0)",
    "setuid by chmod": "os.mkdir('a') or os.chmod('a', 0o4755)",
    "setgid by fchmod": "os.fchmod(os.open('b', os.O_CREAT), 0o2755)",
    "setuid by open": "os.open('c', os.O_CREAT, 0o4755)",
    "setuid by mknod": "os.mknod('d', 0o104755)",
    "setuid by openat2": "call(437, -100, b'e', struct.pack('QQQ', 65, 0o4755, 0), 24)",
    "another's memory": "call(310, os.getpid(), 0, 0, 0, 0, 0)",
    "bpf": "call(321, 0, struct.pack('IIII112x', 2, 4, 4, 1), 128)",
}
PRELUDE = """
import ctypes, errno, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    # A bare int is a C int to ctypes: what lies above it, on the stack, would be chance.
    got = libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
def attempt():
    exec(sys.argv[1], globals())
try:
    attempt()
except OSError as error:
    print(json.dumps(errno.errorcode[error.errno]))
else:
    print(json.dumps("done"))
"""
HERE = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")


@HERE
@pytest.mark.parametrize("name", ATTEMPTS)
async def test_refused_within(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    line = ["-c", PRELUDE, ATTEMPTS[name]]
    outside = subprocess.run(
        [sys.executable, *line], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    completed = await sandbox.run([sandbox.python, *line])
    within = json.loads(completed.stdout)
    assert within in ("EPERM", "EAFNOSUPPORT", "ENOSYS")
    # The control: without a sandbox, root can do all of it.
    assert json.loads(outside.stdout) == "done" or os.geteuid() != 0


@HERE
async def test_terminal_input_cannot_be_pushed(sandbox: Sandbox) -> None:
    attack = """
import errno, fcntl, os, pty
master, slave = pty.openpty()
for request in (0x5412, 0x541C, 0x100005412):
    try:
        fcntl.ioctl(slave, request & 0xFFFFFFFF, b"x")
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])
fcntl.ioctl(slave, 0x5413, b"12345678")  # TIOCGWINSZ: other requests go on working
"""
    completed = await sandbox.run([sandbox.python, "-c", attack])
    assert completed.stdout.split() == ["EPERM"] * 3
    assert completed.ok


@HERE
async def test_what_programs_need_goes_on_working(sandbox: Sandbox) -> None:
    work = """
import multiprocessing, socket, subprocess, threading
def f():
    pass
if __name__ == "__main__":
    for kind in ("fork", "spawn"):
        process = multiprocessing.get_context(kind).Process(target=f)
        process.start(); process.join(); assert process.exitcode == 0
    thread = threading.Thread(target=f); thread.start(); thread.join()
    subprocess.run(["true"], check=True)
    a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname())
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    import os
    os.chmod("work.py", 0o755); os.open("made", os.O_CREAT | os.O_WRONLY, 0o644)
    print("all")
"""
    (sandbox.root / "work.py").write_text(work, encoding="utf-8")
    completed = await sandbox.run([sandbox.python, "work.py"])
    assert completed.stdout == "all\n", completed.stderr


def test_the_profile_for_engines_says_the_same() -> None:
    told = seccomp.profile()
    assert told["defaultAction"] == "SCMP_ACT_ALLOW"
    refusals = cast("list[dict[str, Any]]", told["syscalls"])
    always = {call for refusal in refusals if not refusal["args"] for call in refusal["names"]}
    assert {"unshare", "keyctl", "io_uring_setup", "clone3", "mount"} <= always
    assert not {"socket", "clone", "open", "chmod"} & always
    raw = {"index": 1, "value": 0xF, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}
    assert [raw] in [refusal["args"] for refusal in refusals if "socket" in refusal["names"]]


def test_numbers_of_both_machines_differ_and_others_have_no_filter() -> None:
    x86, arm = seccomp.program("x86_64"), seccomp.program("aarch64")
    assert x86
    assert arm
    assert x86 != arm
    assert len(x86) % 8 == 0
    assert seccomp.program("riscv64") is None
