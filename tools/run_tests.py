"""Running the project's tests and saying in short what came of it."""

from pathlib import Path

from sandbox.completed import Completed
from tools.call import ToolError
from tools.reports import read, shown
from tools.ripgrep import ripgrep
from tools.runners import MARKS, Runner, runners, unittest
from tools.shell import ending
from tools.textfile import relative
from tools.tool import Context, tool

_ENVIRONMENT = {"CI": "1", "RUST_BACKTRACE": "0", "npm_config_update_notifier": "false"}
_IN_FOLDER = ("bash", "-c", 'cd -- "$1" && shift && exec "$@"', "bash")
_KEEP = 'cat > "${TMPDIR:-/tmp}/$1" && printf %s "${TMPDIR:-/tmp}/$1"'
_MOST_RUNS = 3
_MOST_FAILURES = 10
_MOST_LINES = 12
_TAIL = 40
"""Lines of the output that are shown where nothing in it was understood."""


def _preview(root: Path, path: str, seconds: int) -> str:
    return f"run the tests in {path}" if path else "run the tests"


@tool("run", more="run fewer tests with path", preview=_preview)
async def run_tests(context: Context, path: str = "", seconds: int = 300) -> str:
    """Run the project's tests (pytest, unittest, npm, cargo or go) and show what failed.

    Args:
        context: The workspace.
        path: A file or folder of tests; empty runs all.
        seconds: Time limit.
    """
    if not 0 < seconds <= 1800:
        raise ToolError("seconds must be between 1 and 1800.")
    path = relative(path, context.root) if path else ""
    if path.startswith("-"):
        path = f"./{path}"
    patterns = [word for mark in MARKS for word in ("--glob", mark)]
    marks = (await ripgrep(context, ".", ["--files", *patterns])).splitlines()
    marks = [mark.removeprefix("./") for mark in marks]
    found = runners(context.root, marks, "" if path == "." else path, context.sandbox.python)
    if not found:
        raise ToolError(
            f"No tests that pytest, npm, cargo or go would run were found in {path or 'the '}"
            f"{'' if path else 'workspace'}; run them with shell."
        )
    parts = [await _report(context, runner, path, seconds) for runner in found[:_MOST_RUNS]]
    rest = [f"[not run: the tests in {runner.folder}]" for runner in found[_MOST_RUNS:]]
    return "\n\n".join([*parts[:-1], *rest, parts[-1]])


async def _report(context: Context, runner: Runner, path: str, seconds: float) -> str:
    completed = await _ran(context, runner, seconds)
    if runner.name == "pytest" and "No module named pytest" in completed.stdout:
        runner = unittest(context.sandbox.python, path)
        completed = await _ran(context, runner, seconds)
    program = runner.command[0]
    if f"exec: {program}: not found" in completed.stdout:
        raise ToolError(f"{program} is not there in the sandbox, so these tests cannot be run.")
    report = read(runner.name, completed.stdout, context.sandbox.workdir)
    where = "" if runner.folder == "." else f" in {runner.folder}"
    lines = [f"{runner.name}{where}: {report.counts or 'it did not say how many tests'}"]
    lines += shown(report, _MOST_FAILURES, _MOST_LINES)
    if not report.failures and not (report.counts and completed.ok):
        lines += completed.stdout.rstrip().splitlines()[-_TAIL:]
    if not completed.ok:
        lines.append(f"\n[the whole output: shell `cat {await _kept(context, completed)}`]")
    return "\n".join([*lines, f"[{ending(completed, seconds)}]"])


async def _ran(context: Context, runner: Runner, seconds: float) -> Completed:
    command = [*_IN_FOLDER, runner.folder, *runner.command]
    return await context.sandbox.run(command, seconds=seconds, merged=True, env=_ENVIRONMENT)


async def _kept(context: Context, completed: Completed) -> str:
    """Where the sandbox keeps the output of the last run that failed."""
    command = ["sh", "-c", _KEEP, "sh", "tests.txt"]
    written = await context.sandbox.run(command, stdin=completed.stdout.encode())
    return written.stdout
