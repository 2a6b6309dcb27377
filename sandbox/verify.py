"""Judging a solution: a fresh copy, the tests put back, the commands run in a fresh sandbox.

Does not hold against code that is written to fool this very module: a solution shares its process
with the tests. It holds against edited tests, planted configuration, faked exit codes and faked
output.
"""

import asyncio
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sandbox.backend import open_sandbox
from sandbox.check import Check, Verdict
from sandbox.completed import Completed
from sandbox.evidence import sealed
from sandbox.limits import Limits
from sandbox.mounts import WITNESS
from sandbox.sandbox import Sandbox, SandboxBroken
from sandbox.snapshot import DEEPEST
from sandbox.workspace import delete, place

_LEFT_OUT = frozenset((".git", ".venv", "venv", "__pycache__", ".pytest_cache", "node_modules"))
_CONFIGURATION = frozenset(
    ("conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.ini", ".pytest.ini",
     "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg", "pyproject.toml")
)  # fmt: skip
_SHADOWS = frozenset(("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"))
_SUFFIXES = (".pth", ".dist-info", ".egg-info", ".pyc")
_LARGEST = 2**30
"""Bytes of a workspace that are copied to be judged."""
_SHOWN = 4000
"""Characters of a failed command's output that are kept."""


class _TooLarge(Exception):
    """The workspace cannot be copied within reason."""


async def verify(check: Check, root: Path, start: Mapping[str, str]) -> Verdict:
    """Judge a workspace; `start` are the files that the episode began with, path to text.

    `unknown` where the infrastructure failed. Nothing in `root` is changed.

    Raises:
        SandboxUnavailable: there is no working sandbox at all.
        Refused: a file name of the check leads out of the workspace.
    """
    began = time.monotonic()
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="assistant-verify-"))
    try:
        copy = folder / "workspace"
        await asyncio.to_thread(_copy, root, copy)
        known = {str(Path(path)): text for path, text in (dict(start) | check.protected).items()}
        failures = await _judge(check, copy, known, began)
        verdict = Verdict("fail" if failures else "pass", tuple(failures))
    except _TooLarge as error:
        verdict = Verdict("fail", (str(error),))
    except (SandboxBroken, OSError) as error:
        verdict = Verdict("unknown", (f"{type(error).__name__}: {error}",))
    finally:
        await asyncio.to_thread(delete, folder)
    return replace(verdict, seconds=time.monotonic() - began)


async def _judge(check: Check, copy: Path, start: Mapping[str, str], began: float) -> list[str]:
    """Run the commands one after the other; one text a failed one."""
    failures: list[str] = []
    for command in check.commands:
        await asyncio.to_thread(_restore, copy, check.protected, start)
        readonly = [Path(path) for path in check.protected]
        sandbox = await open_sandbox(copy, readonly=readonly, own_python=False)
        left = check.seconds - (time.monotonic() - began)
        limits = Limits(seconds=max(left, 0.1))
        try:
            failure = await _command(sandbox, command, limits, skipping=_skips(check.protected))
        finally:
            await sandbox.close()
        if failure:
            failures.append(f"{' '.join(command)}\n{failure}")
    return failures


async def _command(
    sandbox: Sandbox, command: Sequence[str], limits: Limits, *, skipping: bool
) -> str | None:
    """Run one command; what went wrong, or None."""
    filled = [part.replace("{python}", sandbox.python) for part in command]
    arguments = _pytest_arguments(command, filled)
    if arguments is None:
        completed = await sandbox.run(filled, seconds=limits.seconds)
        return None if completed.ok else _shown(completed, completed.stdout, limits)
    key = secrets.token_bytes(32)
    completed = await sandbox.run(
        [sandbox.python, "-P", WITNESS, *arguments],
        stdin=key,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        seconds=limits.seconds,
    )
    evidence, output = sealed(completed.stdout, key)
    if not completed.ok:
        return _shown(completed, output, limits)
    problem = "pytest did not come to its end" if not evidence else None
    problem = evidence.problem(skipping=skipping) if evidence else problem
    return f"{_shown(completed, output, limits)}\n[{problem}]" if problem else None


def _pytest_arguments(command: Sequence[str], filled: Sequence[str]) -> Sequence[str] | None:
    """What pytest is given, or None where the command is not pytest."""
    if command[0] == "pytest":
        return filled[1:]
    if tuple(command[:3]) == ("{python}", "-m", "pytest"):
        return filled[3:]
    return None


def _shown(completed: Completed, output: str, limits: Limits) -> str:
    """The end of what a command said and how it ended."""
    how = f"exit code {completed.exit_code}"
    if completed.timed_out:
        how = f"stopped after {limits.seconds:.0f} s"
    return f"{(output + completed.stderr)[-_SHOWN:]}\n[{how}]"


def _skips(protected: Mapping[str, str]) -> bool:
    """Whether the tests themselves speak of skipping or of expected failures."""
    return any("skip" in text.lower() or "xfail" in text.lower() for text in protected.values())


def _copy(source: Path, target: Path) -> None:
    """Copy folders, regular files and links (as links); pipes, sockets and caches are left out.

    Raises:
        _TooLarge: there is too much.
    """
    room = _LARGEST
    pending = [(source, target)]
    while pending:
        here, there = pending.pop()
        _measure(here, source)
        there.mkdir()
        for entry in os.scandir(here):
            path = there / entry.name
            if entry.is_symlink():
                path.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in _LEFT_OUT:
                    pending.append((Path(entry.path), path))
            elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                room -= entry.stat(follow_symlinks=False).st_size
                if room < 0:
                    raise _TooLarge(f"The workspace holds more than {_LARGEST} bytes.")
                shutil.copy2(entry.path, path, follow_symlinks=False)


def _measure(folder: Path, source: Path) -> None:
    if len(folder.parts) - len(source.parts) > DEEPEST:
        raise _TooLarge(f"The workspace has more than {DEEPEST} folders within each other.")


def _restore(copy: Path, protected: Mapping[str, str], start: Mapping[str, str]) -> None:
    """Put the protected files back, and whatever else could steer the run."""
    tests = {str(Path(path)) for path in protected}
    for folder, folders, files in os.walk(copy):
        for item in (*folders, *files):
            path = Path(folder, item)
            relative = str(path.relative_to(copy))
            if _steers(relative) and relative not in start:
                if path.is_dir() and not path.is_symlink():
                    if not any(known.startswith(f"{relative}/") for known in start):
                        delete(path)
                else:
                    path.unlink()
        folders[:] = [item for item in folders if Path(folder, item).is_dir()]
    for path, text in start.items():
        if path in tests or _steers(path):
            place(copy, path, text)


def _steers(relative: str) -> bool:
    """Whether a file or folder of this name can change how tests run."""
    path = Path(relative)
    top = path.parts[0].split(".")[0]
    return (
        path.name in _CONFIGURATION
        or path.name == "__pycache__"
        or path.name.endswith(_SUFFIXES)
        or (top in _SHADOWS and (len(path.parts) > 1 or path.suffix in ("", ".py", ".so")))
    )
