"""Runs tests in the sandbox and seals what was seen, so that an exit code is not all we have.

Called as `python -P -c SOURCE KIND ARGUMENTS`, with a key as standard input; KIND is `pytest`,
`unittest`, `script` or `code`. It imports nothing of ours: it runs in a foreign interpreter. The
libraries are imported before the workspace can shadow any part of them, and the key is gone from
standard input before the workspace's code runs. The last line of output is
`witness: {"passed": ...} SEAL`; a process that ends early prints none.
"""

import hashlib
import hmac
import json
import os
import runpy
import sys
import traceback
import types
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

WORST_LAST = ("passed", "skipped", "failed")


class Witness:
    """Notes how every test ended. Tests are known by `file::Class::function`."""

    def __init__(self) -> None:
        self.collected = 0
        self.broken = 0
        self.names: dict[str, str] = {}
        self.outcomes: dict[str, str] = {}

    def note(self, test: str, outcome: str) -> None:
        """The worst of what was said of a test counts."""
        before = self.outcomes.get(test, outcome)
        self.outcomes[test] = max(before, outcome, key=WORST_LAST.index)

    def pytest_collection_finish(self, session: "pytest.Session") -> None:
        self.collected = len(session.items)
        for item in session.items:
            path = os.path.relpath(item.path)
            self.names[item.nodeid] = "::".join([path, *item.nodeid.split("[")[0].split("::")[1:]])

    def pytest_collectreport(self, report: "pytest.CollectReport") -> None:
        self.broken += report.failed

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        if report.failed or report.skipped or report.when == "call":
            self.note(report.nodeid, report.outcome)

    def report(self, code: int) -> str:
        """All of it as JSON; tests that differ by their parameters alone are one."""
        ends = list(self.outcomes.values())
        counts = {name: ends.count(name) for name in WORST_LAST}
        tests: dict[str, set[str]] = {}
        for test, outcome in self.outcomes.items():
            tests.setdefault(self.names.get(test, test), set()).add(outcome)
        together = {name: "+".join(sorted(seen)) for name, seen in tests.items()}
        whole = {"exit": code, "collected": self.collected, "broken": self.broken, **counts}
        return json.dumps({**whole, "tests": together})


def run_pytest(witness: Witness, arguments: list[str]) -> int:
    import pytest  # noqa: PLC0415 - not there for other kinds, perhaps

    sys.path.insert(0, str(Path.cwd()))
    return int(pytest.main(arguments, plugins=[witness]))


class Result(unittest.TextTestResult):
    """Tells the witness what unittest sees."""

    witness: Witness

    def tell(self, test: Any, outcome: str) -> None:  # noqa: ANN401 - whatever unittest runs
        module = sys.modules.get(type(test).__module__)
        path = os.path.relpath(getattr(module, "__file__", None) or ".")
        method = getattr(test, "_testMethodName", "")
        self.witness.note(f"{path}::{type(test).__qualname__}::{method}", outcome)

    def addSuccess(self, test: Any) -> None:  # noqa: ANN401
        super().addSuccess(test)
        self.tell(test, "passed")

    def addError(self, test: Any, err: Any) -> None:  # noqa: ANN401
        super().addError(test, err)
        self.witness.broken += type(test).__name__ == "_FailedTest"
        self.tell(test, "failed")

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: ANN401
        super().addFailure(test, err)
        self.tell(test, "failed")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: ANN401
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.tell(test, "failed")

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: ANN401
        super().addSkip(test, reason)
        self.tell(test, "skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: ANN401
        super().addExpectedFailure(test, err)
        self.tell(test, "skipped")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: ANN401
        super().addUnexpectedSuccess(test)
        self.tell(test, "failed")


def run_unittest(witness: Witness, arguments: list[str]) -> int:
    class Telling(Result):
        pass

    class Runner(unittest.TextTestRunner):
        def _makeResult(self) -> Any:  # noqa: ANN401 - unittest's own is private
            return Telling(self.stream, self.descriptions, self.verbosity)

    Telling.witness = witness
    sys.path.insert(0, str(Path.cwd()))
    argv = ["python -m unittest", *arguments]
    program: Any = unittest.main(module=None, argv=argv, testRunner=Runner, exit=False)
    witness.collected = program.test.countTestCases()
    return 0 if program.result.wasSuccessful() else 1


def run_script(witness: Witness, arguments: list[str]) -> int:
    """A script counts as one test, which passed if it came to its own end."""
    script = str(Path(arguments[0]).resolve())
    sys.path.insert(0, str(Path(script).parent))
    sys.argv = arguments
    return ending(witness, script, lambda: runpy.run_path(arguments[0], run_name="__main__"))


def run_code(witness: Witness, arguments: list[str]) -> int:
    """`python -c` in the same way."""
    sys.path.insert(0, "")
    sys.argv = ["-c", *arguments[1:]]
    program = compile(arguments[0], "<string>", "exec")
    return ending(
        witness,
        "<string>",
        lambda: exec(program, {"__name__": "__main__"}),  # noqa: S102
    )


def ending(witness: Witness, script: str, run: Callable[[], object]) -> int:
    """The exit code; noted as a test's end only if the script itself ended."""
    witness.collected = 1
    code, own = 0, True
    try:
        run()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if code and not isinstance(error.code, int):
            sys.stderr.write(f"{error.code}\n")
        own = ends_itself(error.__traceback__, script)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    if own:
        witness.note(script, "failed" if code else "passed")
    return int(code)


def ends_itself(trace: types.TracebackType | None, script: str) -> bool:
    """Whether `sys.exit` was called by the script or a library, not by the workspace's code."""
    while trace and trace.tb_next:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename if trace else ""
    home = Path.cwd()
    # Joined to an absolute path it is that path.
    return home / file in (Path(script), home / script) or not (home / file).is_relative_to(home)


RUNNERS: dict[str, Callable[[Witness, list[str]], int]] = {
    "pytest": run_pytest,
    "unittest": run_unittest,
    "script": run_script,
    "code": run_code,
}


def main() -> int:
    key = sys.stdin.buffer.read()
    output = os.dup(1)
    seal = hmac.new(key, digestmod=hashlib.sha256)
    del key
    kind, *arguments = sys.argv[1:]
    witness = Witness()
    code = RUNNERS[kind](witness, arguments)
    sys.stdout.flush()
    report = witness.report(code)
    seal.update(report.encode())
    line = f"\nwitness: {report} {seal.hexdigest()}\n".encode()
    while line:
        line = line[os.write(output, line) :]
    return code


if __name__ == "__main__":
    sys.exit(main())
