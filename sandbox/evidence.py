"""What the witness of a test run saw, and whether that makes a pass."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import cast

_LINE = re.compile(r"^witness: (\{.*\}) ([0-9a-f]{64})$", re.MULTILINE)
_COUNTS = ("collected", "broken", "passed", "failed", "skipped", "exit")
_NAMED = 3
"""Tests that a sentence names."""


@dataclass(frozen=True)
class Evidence:
    """Counts of tests: `collected` were to run; one that did not end is in no other count."""

    collected: int
    broken: int
    """Test files that could not be imported."""
    passed: int
    failed: int
    skipped: int
    exit: int
    tests: Mapping[str, str] = field(default_factory=dict[str, str])
    """`file::Class::function` to how it ended; with `+` between several parameters' ends."""

    def problem(self, *, skippable: Set[str] = frozenset(), must: Set[str] = frozenset()) -> str:
        """Why this is no pass, or an empty text.

        `skippable`: tests that skip by themselves; `must`: tests that have to be there.
        """
        if self.failed or self.broken or self.exit:
            return f"{self.failed} tests failed, {self.broken} test files could not be imported"
        if not self.passed:
            return "no test ran"
        if self.passed + self.skipped != self.collected:
            return f"only {self.passed + self.skipped} of {self.collected} tests ran to their end"
        if gone := sorted(must - self.tests.keys()):
            return f"tests did not run: {_named(gone)}"
        skipped = {test for test, ended in self.tests.items() if "skipped" in ended}
        if unasked := sorted(skipped - skippable):
            return f"tests were skipped, which they do not do by themselves: {_named(unasked)}"
        return ""

    def passed_of(self, tests: Set[str]) -> str:
        """The tests among these that passed, in words; an empty text where none did."""
        found = [test for test, ended in self.tests.items() if "passed" in ended and test in tests]
        return _named(sorted(found))


def _named(tests: list[str]) -> str:
    more = f" and {len(tests) - _NAMED} more" if len(tests) > _NAMED else ""
    return ", ".join(tests[:_NAMED]) + more


def sealed(output: str, key: bytes) -> tuple[Evidence | None, str]:
    """Find the report that was sealed with `key`; the rest of the output comes second."""
    for match in _LINE.finditer(output):
        seal = hmac.new(key, match[1].encode(), hashlib.sha256).hexdigest()
        if hmac.compare_digest(seal, match[2]):
            rest = output[: match.start()] + output[match.end() :]
            return _evidence(match[1]), rest.strip("\n") + "\n"
    return None, output


def _evidence(text: str) -> Evidence | None:
    """Read a report; None where whoever sealed it was not our witness."""
    try:
        report = cast("dict[str, object]", json.loads(text))
        counts = [report[name] for name in _COUNTS]
        tests = report["tests"]
    except (ValueError, KeyError, RecursionError):
        return None
    if not all(type(count) is int for count in counts) or not isinstance(tests, dict):
        return None
    named = {str(name): str(ended) for name, ended in cast("dict[object, object]", tests).items()}
    return Evidence(*cast("list[int]", counts), tests=named)
