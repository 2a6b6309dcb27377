"""Parsers of tool calls against random and mutated answers.

Run as `python -m benchmarks.parsers [AMOUNT] [SEED]`: AMOUNT (100,000) hostile answers and as many
valid calls of every format, in one process for each core. Ends with 1 and names the first answer
that raised something, lost something, or came back changed.
"""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from random import Random

from agent.formats import FORMATS, Format
from tests.agent.answers import check_hostile, check_valid

_PART = 5_000
Check = Callable[[Random, Format], None]


def tried(check: Check, form: Format, seed: int, amount: int) -> tuple[float, str]:
    """Seconds of processor time, and what the first failure says."""
    random, began = Random(seed), time.process_time()
    for number in range(amount):
        try:
            check(random, form)
        except Exception as error:  # noqa: BLE001 - whatever a parser raises is a finding
            return 0.0, f"{form}, seed {seed}, answer {number}: {error!r}"
    return time.process_time() - began, ""


def main() -> int:
    amount = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began, failures = time.perf_counter(), list[str]()
    seeds = range(first, first + max(amount // _PART, 1))
    print(f"{'format':<10}{'hostile':>10}{'valid':>10}{'failed':>8}{'us each':>9}")
    with ProcessPoolExecutor() as pool:
        jobs = {
            form: [
                pool.submit(tried, check, form, seed, min(_PART, amount))
                for check in (check_hostile, check_valid)
                for seed in seeds
            ]
            for form in FORMATS
        }
        for form, parts in jobs.items():
            results = [job.result() for job in parts]
            found = [text for _, text in results if text]
            each = sum(seconds for seconds, _ in results) / len(results) / min(_PART, amount)
            count = len(seeds) * min(_PART, amount)
            print(f"{form:<10}{count:>10}{count:>10}{len(found):>8}{1e6 * each:>9.0f}", flush=True)
            failures += found
    print(f"{time.perf_counter() - began:.0f} s")
    print("\n".join(failures[:5]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
