"""What is told at the end of a test run: recordings, faults and attempts to get out, as tables.

From what the tests recorded as their properties, which reaches here from other processes as well.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

_COLUMNS = ("tried", "held", "stated", "ESCAPED", "control")
_OUTCOMES = ("passed", "failed", "skipped")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The tables of those tests that have been run."""
    for title, lines in (
        ("recordings", _recordings(terminalreporter)),
        ("faults", _faults(terminalreporter)),
        ("escapes", _escapes(terminalreporter)),
    ):
        shown = list(lines)
        if shown:
            terminalreporter.section(title)
            for line in shown:
                terminalreporter.write_line(line)


def _recorded(reporter: pytest.TerminalReporter, name: str) -> Iterator[tuple[str, Any]]:
    """Outcomes of tests, and the property of this name that each recorded."""
    for outcome in _OUTCOMES:
        for report in reporter.stats.get(outcome, []):
            for key, value in report.user_properties:
                if key == name and report.when == "call":
                    yield outcome, value


def _recordings(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """How many there are of each source and protocol, how many pass, and why others do not."""
    rows: dict[tuple[str, str, str], Counter[str]] = {}
    for outcome, value in _recorded(reporter, "recording"):
        rows.setdefault(tuple(value), Counter())[outcome] += 1
    if rows:
        yield f"{'':36}{'':20}recordings  passed  not supported"
    for (source, protocol, why), counts in sorted(rows.items()):
        yield f"{source:36}{protocol:20}{counts.total():10}  {counts['passed']:6}  {why}"


def _faults(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """How each ended, in each protocol."""
    ended: dict[str, dict[str, str]] = {}
    for outcome, (fault, protocol, end) in _recorded(reporter, "fault"):
        if outcome == "passed":
            ended.setdefault(fault, {})[protocol] = end
    protocols = list(dict.fromkeys(p for outcomes in ended.values() for p in outcomes))
    if ended:
        yield f"{'':34}" + "".join(f"{protocol:24}" for protocol in protocols)
    for fault, outcomes in ended.items():
        yield f"{fault:34}" + "".join(f"{outcomes.get(p, '-'):24}" for p in protocols)


def _escapes(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """What held and what did not, of each backend and group."""
    found: dict[str, dict[str, Counter[str]]] = {}
    for _, (backend, group, *columns) in _recorded(reporter, "attempt"):
        for row in (group, "all"):
            found.setdefault(backend, {}).setdefault(row, Counter()).update(columns)
    for backend, rows in found.items():
        yield f"{backend:26}" + "".join(f"{column:>9}" for column in _COLUMNS)
        rows["all"] = rows.pop("all")  # The last one.
        for group, counts in rows.items():
            yield f"{group:26}" + "".join(f"{counts[column]:9}" for column in _COLUMNS)
