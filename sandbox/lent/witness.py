"""Runs pytest in the sandbox and seals what was seen, so that an exit code is not all we have.

Called as `python -P witness.py ARGUMENTS`, with a key as standard input. It imports nothing of
ours: it runs in a foreign interpreter. pytest is imported before the workspace can shadow any part
of it, and the key is gone from standard input before the workspace's code runs. The last line of
output is `witness: {"passed": ...} SEAL`; a process that ends early prints none.
"""

import hashlib
import hmac
import json
import os
import pathlib
import sys

import pytest


class Witness:
    """Notes how every test ended."""

    def __init__(self) -> None:
        self.collected = 0
        self.broken = 0
        self.outcomes: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected = len(session.items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.broken += report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.outcomes.get(report.nodeid)
        if report.failed:
            self.outcomes[report.nodeid] = "failed"
        elif report.skipped and before != "failed":
            self.outcomes[report.nodeid] = "skipped"
        elif report.when == "call" and before is None:
            self.outcomes[report.nodeid] = "passed"

    def counts(self) -> dict[str, int]:
        ends = list(self.outcomes.values())
        counts = {name: ends.count(name) for name in ("passed", "failed", "skipped")}
        return {"collected": self.collected, "broken": self.broken, **counts}


def main() -> int:
    key = sys.stdin.buffer.read()
    output = os.dup(1)
    seal = hmac.new(key, digestmod=hashlib.sha256)
    del key
    sys.path.insert(0, str(pathlib.Path.cwd()))
    witness = Witness()
    code = int(pytest.main(sys.argv[1:], plugins=[witness]))
    sys.stdout.flush()
    report = json.dumps({"exit": code, **witness.counts()})
    seal.update(report.encode())
    os.write(output, f"\nwitness: {report} {seal.hexdigest()}\n".encode())
    return code


if __name__ == "__main__":
    sys.exit(main())
