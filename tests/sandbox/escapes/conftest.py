"""Prints what held and what did not, a table a backend."""

from collections.abc import Sequence

import pytest

from tests.sandbox.escapes.attempt import Attempt
from tests.sandbox.escapes.campaign import ATTEMPTS
from tests.sandbox.escapes.campaigns import BACKENDS, CONTROL, Campaign, campaign

_COLUMNS = ("tried", "held", "stated", "ESCAPED", "control")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Only where the campaigns have been run."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    ran = {
        backend
        for backend in BACKENDS
        if any(f"test_within[{backend}-" in report.nodeid for report in reports)
    }
    for backend in BACKENDS:
        if backend in ran and len(campaign(backend).results) == len(ATTEMPTS):
            terminalreporter.section(f"escapes: {backend}")
            for line in _table(campaign(backend), campaign(CONTROL)):
                terminalreporter.write_line(line)


def _table(found: Campaign, control: Campaign) -> list[str]:
    groups = list(dict.fromkeys(attempt.group for attempt in ATTEMPTS))
    lines = [f"{'':26}" + "".join(f"{column:>9}" for column in _COLUMNS)]
    rows = {
        group: _counts([a for a in ATTEMPTS if a.group == group], found, control)
        for group in groups
    }
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines += [f"{name:26}" + "".join(f"{n:9}" for n in row) for name, row in rows.items()]
    stated = [a.key for a in ATTEMPTS if a.residual and found.results[a.key].escaped]
    return [*lines, *(f"stated: {key}" for key in stated)]


def _counts(attempts: Sequence[Attempt], found: Campaign, control: Campaign) -> list[int]:
    """Numbers for the columns."""
    tried = [(a, found.results[a.key]) for a in attempts if not found.results[a.key].skipped]
    out = [a for a, result in tried if result.escaped or result.harm]
    stated = [a for a in out if a.residual]
    shown = [a for a, _ in tried if control.results[a.key].escaped]
    return [len(tried), len(tried) - len(out), len(stated), len(out) - len(stated), len(shown)]
