"""What the witness of a pytest run saw, and whether that makes a pass."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass

_LINE = re.compile(r"^witness: (\{.*\}) ([0-9a-f]{64})$", re.MULTILINE)


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

    def problem(self, *, skipping: bool) -> str | None:
        """Why this is no pass, or None. `skipping`: the tests themselves may skip."""
        if self.failed or self.broken or self.exit:
            return f"{self.failed} tests failed, {self.broken} test files could not be imported"
        if not self.passed:
            return "no test ran"
        if self.passed + self.skipped != self.collected:
            return f"only {self.passed + self.skipped} of {self.collected} tests ran to their end"
        if self.skipped and not skipping:
            return f"{self.skipped} tests were skipped, which they do not do by themselves"
        return None


def sealed(output: str, key: bytes) -> tuple[Evidence | None, str]:
    """Find the report that was sealed with `key`; the rest of the output comes second."""
    for match in _LINE.finditer(output):
        seal = hmac.new(key, match[1].encode(), hashlib.sha256).hexdigest()
        if hmac.compare_digest(seal, match[2]):
            rest = output[: match.start()] + output[match.end() :]
            return Evidence(**json.loads(match[1])), rest.strip("\n") + "\n"
    return None, output
