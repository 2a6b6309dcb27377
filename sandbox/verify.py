"""Judging a solution: a fresh copy, the tests put back, the commands run in a fresh sandbox.

Three things make a pass: the commands succeed; a witness saw every test of the protected files run
to its end (pytest, unittest; of a script, that it came to its own end); and decoys, which are the
same tests made so that they must fail, do not pass.

Holds against edited tests, planted configuration, faked exit codes and output, and against code
that changes pytest, unittest, the tests or the witness while they run, or is equal to everything.
Does not hold against a solution that knows the tests: it can answer them by heart, or tell them
from decoys. Commands that are neither tests nor protected scripts are believed by their exit code.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.backend import copies, open_sandbox
from sandbox.candidate import Unfit, fill, restore, steers
from sandbox.check import Check, Verdict
from sandbox.choice import AUTO, Choice
from sandbox.completed import Completed
from sandbox.decoy import TestFile, read_tests
from sandbox.evidence import Evidence, sealed
from sandbox.sandbox import Sandbox, SandboxBroken
from sandbox.workspace import copy_of

_WITNESS = (Path(__file__).parent / "lent/witness.py").read_text(encoding="utf-8")
_PYTHONS = ("{python}", "python", "python3")
_HARMLESS = frozenset(("-q", "-qq", "-v", "-vv", "-s", "-x", "-p", "no:cacheprovider"))
"""Options of pytest that leave out no test."""
_SHOWN = 4000
"""Characters of a failed command's output that are kept."""
_OUTPUT = 2**23
"""Bytes of output: the witness's report comes last and grows with the tests."""


async def verify(
    check: Check,
    root: Path,
    start: Mapping[str, str],
    *,
    runs: int = 1,
    choice: Choice = AUTO,
) -> Verdict:
    """Judge a workspace; `start` are the files that the episode began with, path to text.

    `choice`: of the sandbox that commands run in. `unknown` where the infrastructure failed, or
    where `runs` runs on the same input do not agree. Nothing in `root` is changed. Each run has
    `check.seconds`.

    Raises:
        SandboxUnavailable: there is no working sandbox at all.
        Refused: a file name of the check leads out of the workspace.
    """
    began = time.monotonic()
    known = {str(Path(path)): text for path, text in (dict(start) | check.protected).items()}
    try:
        verdict = await _agreed(check, root, known, runs, choice)
        if verdict.passed:
            verdict = await _unmasked(check, root, known, choice)
    except Unfit as error:
        verdict = Verdict("fail", (str(error),))
    except (SandboxBroken, OSError) as error:
        verdict = Verdict("unknown", (f"{type(error).__name__}: {error}",))
    return replace(verdict, seconds=time.monotonic() - began)


async def _agreed(
    check: Check, root: Path, known: Mapping[str, str], runs: int, choice: Choice
) -> Verdict:
    """What all runs say; a run that used up its time is not repeated."""
    first: Verdict | None = None
    for _ in range(max(1, runs)):
        reports = await _run(check, root, known, choice)
        failures = tuple(report.failure for report in reports if report.failure)
        verdict = Verdict("fail" if failures else "pass", failures)
        if first and first.outcome != verdict.outcome:
            sentence = "The check is flaky: it passed and failed on the same files."
            return Verdict("unknown", (sentence, *first.failures, *verdict.failures))
        first = first or verdict
        if any(report.timed_out for report in reports):
            break
    assert first is not None  # noqa: S101 - there is at least one run
    return first


async def _unmasked(check: Check, root: Path, known: Mapping[str, str], choice: Choice) -> Verdict:
    """Run the decoys in place of the tests: a pass if none of them passes."""
    files = {path: read_tests(text) for path, text in check.protected.items()}
    decoys = {path: file.decoy for path, file in files.items() if file.decoys}
    commands = tuple(
        line for line in check.commands if _kind(line, check) in ("pytest", "unittest")
    )
    if not decoys or not commands:
        return Verdict("pass")
    check = replace(check, commands=commands, protected=check.protected | decoys)
    names = _names(files, "decoys")
    for report in await _run(check, root, dict(known) | decoys, choice):
        if report.evidence is None:
            said = "With tests that must fail, pytest did not come to its end"
            return Verdict("unknown", (f"{said}:\n{report.failure}",))
        if passed := report.evidence.passed_of(names):
            said = "Tests that were made so that they must fail passed"
            return Verdict("fail", (f"{said}: {passed}. Something changes how tests are judged.",))
    return Verdict("pass")


@dataclass(frozen=True)
class _Report:
    """How one command ended."""

    failure: str
    """Why it is no success, with its output; empty for a success."""
    evidence: Evidence | None = None
    timed_out: bool = False


async def _run(check: Check, root: Path, known: Mapping[str, str], choice: Choice) -> list[_Report]:
    """Run the commands on a fresh copy, one after the other, each in a fresh sandbox."""
    ends = time.monotonic() + check.seconds
    workspace = await asyncio.to_thread(copy_of, {}, plain=not await copies(choice))
    reports: list[_Report] = []
    try:
        await asyncio.to_thread(fill, root, workspace.root)
        for command in check.commands:
            await asyncio.to_thread(restore, workspace.root, check.protected, known)
            readonly = [Path(path) for path in check.protected]
            sandbox = await open_sandbox(
                workspace.root, readonly=readonly, own_python=False, backend=choice
            )
            try:
                left = max(ends - time.monotonic(), 0.1)
                reports.append(await _command(sandbox, command, check, known, left))
            finally:
                await sandbox.close()
    finally:
        await asyncio.to_thread(workspace.close)
    return reports


async def _command(
    sandbox: Sandbox,
    command: tuple[str, ...],
    check: Check,
    known: Mapping[str, str],
    seconds: float,
) -> _Report:
    """Run one command, with a witness where there can be one."""
    kind = _kind(command, check)
    filled = [part.replace("{python}", sandbox.python) for part in command]
    if not kind:
        completed = await sandbox.run(filled, seconds=seconds)
        said = "" if completed.ok else _shown(command, completed, completed.stdout, seconds)
        return _Report(said, timed_out=completed.timed_out)
    key = secrets.token_bytes(32)
    arguments = filled[_skipped_words(command, kind) :]
    completed = await sandbox.run(
        [sandbox.python, "-P", "-c", _WITNESS, kind, *arguments],
        stdin=key,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        seconds=seconds,
        output_bytes=_OUTPUT,
    )
    evidence, output = sealed(completed.stdout, key)
    problem = "" if completed.ok else " "
    if completed.ok:
        problem = _problem(evidence, command, check, known)
    said = _shown(command, completed, output, seconds) if problem else ""
    return _Report(said + _bracketed(problem), evidence, completed.timed_out)


def _problem(
    evidence: Evidence | None, command: tuple[str, ...], check: Check, known: Mapping[str, str]
) -> str:
    """Why a command that succeeded is not believed, or an empty text."""
    if evidence is None:
        return f"{_kind(command, check)} did not come to its end"
    files = {path: read_tests(text) for path, text in check.protected.items()}
    must = _names(files, "collected") if _takes_all(command, check, known) else frozenset[str]()
    return evidence.problem(skippable=_names(files, "skipping"), must=must)


def _bracketed(problem: str) -> str:
    return f"\n[{problem}]" if problem.strip() else ""


def _kind(command: tuple[str, ...], check: Check) -> str:
    """Which witness a command gets: `pytest`, `unittest`, `script`, `code`, or an empty text."""
    if command[0] == "pytest":
        return "pytest"
    if command[0] not in _PYTHONS or len(command) == 1:
        return ""
    if command[1] == "-m":
        return command[2] if command[2:3] in (("pytest",), ("unittest",)) else ""
    if command[1] == "-c":
        return "code" if len(command) > 2 else ""
    return "script" if command[1] in check.protected else ""


def _skipped_words(command: tuple[str, ...], kind: str) -> int:
    """How many words of a command the witness takes the place of."""
    if command[0] == "pytest" or kind == "script":
        return 1
    return 2 if kind == "code" else 3


def _takes_all(command: tuple[str, ...], check: Check, known: Mapping[str, str]) -> bool:
    """Whether a command runs every test of the protected files, by its words alone."""
    kind = _kind(command, check)
    if kind not in ("pytest", "unittest") or any(steers(path) for path in known):
        return False
    words = set(command[_skipped_words(command, kind) :]) - _HARMLESS
    tests = {path for path in check.protected if read_tests(check.protected[path]).collected}
    return bool(tests) and words >= tests and words <= set(check.protected)


def _names(files: Mapping[str, TestFile], which: str) -> frozenset[str]:
    """Names with their file, as the witness has them."""
    return frozenset(
        f"{Path(path)}::{name}" for path, file in files.items() for name in getattr(file, which)
    )


def _shown(command: tuple[str, ...], completed: Completed, output: str, seconds: float) -> str:
    """The command, the end of what it said, and how it ended."""
    how = completed.killed and f"killed: {completed.killed}"
    how = how or f"exit code {completed.exit_code}"
    if completed.timed_out:
        how = f"stopped after {seconds:.0f} s"
    return f"{' '.join(command)}\n{(output + completed.stderr)[-_SHOWN:]}\n[{how}]"
