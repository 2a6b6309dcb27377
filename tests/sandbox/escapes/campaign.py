"""All attempts against one backend, or without any as the control; prints JSON lines.

Run as `python -m tests.sandbox.escapes.campaign control|BACKEND [NAME…]`, best as the leader of a
session of its own, so that it has a terminal that could be typed into.
"""

import asyncio
import json
import os
import platform
import resource
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sandbox.backend import BACKENDS, open_sandbox
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox, SandboxBroken
from tests.sandbox.escapes.attempt import Attempt
from tests.sandbox.escapes.attempts_files import READING, SECRETS, TRUST, WRITING
from tests.sandbox.escapes.attempts_kernel import KERNEL, NETWORK, PRIVILEGES
from tests.sandbox.escapes.attempts_processes import HOST, PROCESSES, TERMINAL
from tests.sandbox.escapes.prelude import program, proven
from tests.sandbox.escapes.target import Target

ATTEMPTS: tuple[Attempt, ...] = (
    *SECRETS, *READING, *WRITING, *TRUST, *NETWORK, *KERNEL, *PRIVILEGES, *PROCESSES, *TERMINAL,
    *HOST,
)  # fmt: skip
_HELD = 50
"""The descriptor under which a file with the token is held open."""
_ALONE = """
import fcntl, os, signal, socket, struct, subprocess, sys, threading, time
it = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def set_up(name, number, value):
    fcntl.ioctl(it, number, struct.pack("16s16s", name, value))
set_up(b"lo", 0x8914, struct.pack("H14x", 0x49))
for name, address in ((b"lo", "127.0.0.1"), (b"lo:1", "169.254.169.254")):
    set_up(name, 0x8916, struct.pack("HH4s8x", 2, 0, socket.inet_aton(address)))
server = socket.create_server(("169.254.169.254", 80))
def serve():
    while True:
        client, _ = server.accept()
        client.recv(99); client.sendall(b"metadata"); client.close()
threading.Thread(target=serve, daemon=True).start()
sleeper = subprocess.Popen(["sleep", "60"])
probe = subprocess.run([sys.executable, *sys.argv[1:]])
time.sleep(0.05)
print("killed" if sleeper.poll() == -9 else "alive")
"""
"""Runs a probe beside a process that it may kill and an address that it may reach."""


@dataclass(frozen=True)
class Result:
    """How an attempt ended."""

    name: str
    ran: bool
    """It printed the line that only it can print."""
    escaped: bool
    detail: str
    harm: tuple[str, ...] = ()
    skipped: str = ""
    """Why it was not tried."""


Run = Callable[[Target, Attempt], tuple[str, str]]
"""Runs a program with an argument somewhere; its output, and the nonce that proves it."""


def _told(target: Target, attempt: Attempt) -> tuple[str, str]:
    """What the probe is told as its argument, and the proof in it."""
    proof = secrets.token_hex(8)
    return json.dumps({**target.told(), "name": attempt.key, "proof": proof}), proof


def judge(target: Target, attempt: Attempt, output: str, proof: str, *, guarded: bool) -> Result:
    """Look at the host after a probe has run."""
    said = proven(output, attempt.key, proof)
    claim, detail = said or (False, output[-500:])
    after = attempt.after if guarded else attempt.unguarded or attempt.after
    if after:
        detail += after(target)
    escaped = attempt.seen(target, detail) if attempt.seen else claim
    harm = tuple(target.harm()) if guarded else ()
    return Result(attempt.key, said is not None, escaped, detail[:300], harm)


def controls(chosen: list[Attempt]) -> Iterator[Result]:
    """Every probe as a plain process, in a fresh workspace."""
    target = _target()
    try:
        for number, attempt in enumerate(chosen):
            if why := _no_control(attempt):
                yield Result(attempt.key, ran=False, escaped=False, detail="", skipped=why)
                continue
            target.restore()
            root = target.workspace(f"control-{number}")
            told, proof = _told(target, attempt)
            alone = attempt.control == "alone"
            line = [sys.executable, "-c", *([_ALONE, "-c"] if alone else [])]
            line = ["unshare", "-Urnpf", "--mount-proc", *line] if alone else line
            if attempt.control == "child":
                line = ["sh", "-c", '"$@"; true', "sh", *line]
            run = subprocess.run(
                [*line, program(attempt.probe), told],
                cwd=root, close_fds=False, capture_output=True,
                text=True, check=False, timeout=30,
            )  # fmt: skip
            result = judge(target, attempt, run.stdout + run.stderr, proof, guarded=False)
            if alone and run.stdout.rstrip().endswith("killed"):
                result = Result(attempt.key, result.ran, escaped=True, detail="killed")
            if attempt.control == "perhaps" and not result.escaped:
                result = replace(result, skipped="not possible on this machine anyway")
            yield result
    finally:
        target.close()


def _no_control(attempt: Attempt) -> str:
    if attempt.machine not in ("", platform.machine()):
        return f"only on {attempt.machine}"
    if attempt.control == "none":
        return "this machine cannot show that it works"
    if attempt.control in ("root", "perhaps") and os.geteuid() != 0:
        return "only root can do it at all"
    return ""


async def attack(backend: str, chosen: list[Attempt]) -> list[Result]:
    """Every probe inside a sandbox of this backend."""
    target = _target()
    shared: Sandbox | None = None
    results: list[Result] = []
    try:
        root = target.root
        shared = await _opened(root, backend)
        for number, attempt in enumerate(chosen):
            target.restore()
            if attempt.machine not in ("", platform.machine()):
                why = f"only on {attempt.machine}"
                results.append(Result(attempt.key, False, False, "", skipped=why))
                continue
            sandbox = shared
            if attempt.fresh:
                sandbox = await _opened(target.workspace(f"fresh-{number}"), backend)
            results.append(await _attempt(target, attempt, sandbox))
            if attempt.fresh:
                await sandbox.close()
            target.root = root
    finally:
        if shared:
            await shared.close()
        target.close()
    return results


async def _opened(root: Path, backend: str) -> Sandbox:
    # As in a chat: what the assistant is told by must not be changed by what it runs.
    own = [Path(".assistant")]
    return await open_sandbox(
        root, limits=Limits(seconds=20), readonly=own, own_python=False, backend=backend
    )


async def _attempt(target: Target, attempt: Attempt, sandbox: Sandbox) -> Result:
    told, proof = _told(target, attempt)
    try:
        completed = await sandbox.run(
            [sandbox.python, "-c", program(attempt.probe), told], seconds=10
        )
    except SandboxBroken as error:
        return Result(attempt.key, ran=False, escaped=True, detail=f"broke the sandbox: {error}")
    output = completed.stdout + completed.stderr
    result = await asyncio.to_thread(judge, target, attempt, output, proof, guarded=True)
    well = await sandbox.run(["echo", "well"])
    if well.stdout != "well\n":
        return Result(attempt.key, result.ran, escaped=True, detail="the next command failed")
    return result


def _target() -> Target:
    """A target, and a parent as careless as can be: secrets in variables and open files."""
    target = Target()
    os.environ.update(ESCAPE_KEY=target.token, HOME=str(target.home))
    os.dup2(os.open(target.outside / "secret", os.O_RDONLY), _HELD, inheritable=True)
    return target


async def _missing(backend: str) -> str:
    """Why there is no such backend on this machine, or an empty text."""
    found = BACKENDS.get(backend)
    return (await found.canary() or "") if found else f"{backend} is not built in"


def main() -> None:
    """Run the campaign that the arguments name, or say why there is none."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Letting go of our terminal would end us.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    which, *names = sys.argv[1:]
    chosen = [attempt for attempt in ATTEMPTS if not names or attempt.key in names]
    if why := "" if which == "control" else asyncio.run(_missing(which)):
        print(json.dumps({"missing": why}))
        return
    results = controls(chosen) if which == "control" else asyncio.run(attack(which, chosen))
    for result in results:
        print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main()
