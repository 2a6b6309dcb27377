"""Choosing a sandbox: a canary runs once, and where it dies nothing else may run."""

import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sandbox import mounts
from sandbox.bubblewrap import Bubblewrap
from sandbox.cgroup import Controllers, controllers
from sandbox.interpreter import Interpreter, resolve, ripgrep
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox, SandboxBroken, SandboxUnavailable

_OLDEST = "0.8"
_DEFAULT = Limits()
_proven: set[str] = set()
"""The programs whose canary lived, in this process."""


@cache
def _controllers() -> Controllers:
    return controllers()


async def canary() -> str | None:
    """Run one command in a sandbox; None when that works, else the sentence to show."""
    if sys.platform != "linux":
        return (
            f"No sandbox: bubblewrap needs Linux and this is {sys.platform}; use a Linux machine."
        )
    program = mounts.bubblewrap()
    if program is None:
        return (
            "No sandbox: bubblewrap (bwrap) is not installed; "
            "install it, for example with `sudo apt-get install bubblewrap`."
        )
    if program in _proven:
        return None
    with tempfile.TemporaryDirectory(prefix="assistant-canary-") as folder:
        sandbox = Bubblewrap(
            Path(folder),
            Interpreter("/opt/bin/python3"),
            Limits(seconds=20),
            program,
            _controllers(),
        )
        try:
            completed = await sandbox.run(["/bin/sh", "-c", "echo alive > canary && cat canary"])
        except SandboxBroken as error:
            return _explain(str(error))
    if completed.stdout != "alive\n":
        return _explain(completed.stderr.strip() or f"exit code {completed.exit_code}")
    _proven.add(program)
    return None


def _explain(reason: str) -> str:
    """What can be done about a canary that died."""
    reason = " ".join(reason.split())
    if "nknown option" in reason:
        mend = f"install version {_OLDEST} or newer"
    elif "namespace" in reason or "uid map" in reason or "ermission" in reason:
        mend = (
            "allow unprivileged user namespaces (`sudo sysctl -w "
            "kernel.unprivileged_userns_clone=1`, on Ubuntu an AppArmor profile for bwrap)"
        )
    else:
        mend = "make `bwrap --ro-bind / / --unshare-all true` work"
    return f"No sandbox: bubblewrap does not work here ({reason}); {mend}."


async def open_sandbox(
    root: Path, *, limits: Limits = _DEFAULT, readonly: Sequence[Path] = (), own_python: bool = True
) -> Sandbox:
    """Open a sandbox on a workspace; `readonly` are paths in it that commands cannot change.

    `own_python`: whether a virtual environment in the workspace may give the interpreter.

    Raises:
        SandboxUnavailable: no backend works here, or not for this workspace.
    """
    root = root.resolve()
    if not root.is_dir():
        raise SandboxUnavailable(
            f"No sandbox for {root}: it is not a folder; name one that exists."
        )
    problem = await canary()
    program = mounts.bubblewrap()
    if problem or program is None:
        raise SandboxUnavailable(problem or "No sandbox: bubblewrap has just vanished; install it.")
    return Bubblewrap(
        root,
        resolve(root, mounts.WORKDIR, own=own_python),
        limits,
        program,
        _controllers(),
        ripgrep(),
        tuple(readonly),
    )
