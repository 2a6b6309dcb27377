"""Units with cases that test them: chosen by running right and wrong code, all of it generated."""

import copy
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from distillation.programs.bench import Bench, Unit
from distillation.programs.sites import Bug, bugs, render

_ATTEMPTS = 200
_CASES = 24
_RARE = frozenset(("off by one", "missing case", "mutable default", "swapped arguments"))
"""Kinds that few units can have: drawn more often where they can be had."""
_LONGEST = 48
"""Characters of a value in a test."""
_SECONDS = 0.5


@dataclass(frozen=True)
class Tested:
    """A unit with a bug or none, and the cases that test it: code and expected value."""

    unit: Unit
    bug: Bug | None
    cases: tuple[tuple[str, str], ...]


def tested(make: Callable[[Bench], Unit], bench: Bench, broken: bool) -> Tested | None:
    """A unit with a bug that its tests find; None if none could be made."""
    for _ in range(_ATTEMPTS):
        bench.near.clear()
        unit = make(bench)
        bug = drawn(bench, unit.code) if broken else None
        if broken and bug is None:
            continue
        if cases := _cases(bench, unit, bug):
            return Tested(unit, bug, cases)
    return None


def drawn(bench: Bench, code: str) -> Bug | None:
    """A bug of marked code, if it can have one.

    First its kind is drawn, so that kinds with many places are not more frequent.
    """
    known = bugs(code)
    kinds = sorted({bug.kind for bug in known})
    if not kinds:
        return None
    rare = [kind for kind in kinds if kind in _RARE]
    kind = bench.pick(rare if rare and bench.often(0.5) else kinds)
    return bench.pick([bug for bug in known if bug.kind == kind])


def _cases(bench: Bench, unit: Unit, bug: Bug | None) -> tuple[tuple[str, str], ...]:
    """Two to four cases, of which at least one fails with the bug; none if there are not enough."""
    right = _namespace(render(unit.code))
    wrong = _namespace(render(unit.code, bug)) if bug else None
    passing: dict[str, str] = {}
    failing: dict[str, str] = {}
    for _ in range(_CASES):
        code = unit.cases(bench)
        expected = _value(right, code)
        if not _plain(expected) or len(repr(expected)) > _LONGEST:
            continue
        group = passing
        if wrong is not None and _differs(_value(wrong, code), expected):
            group = failing
        group[code] = repr(expected)
    chosen = list(failing.items())[: bench.random.randint(1, 2)]
    if bug and not chosen:
        return ()
    chosen += list(passing.items())[: bench.random.randint(1, 2)]
    bench.random.shuffle(chosen)
    return tuple(chosen)


def _differs(value: object, expected: object) -> bool:
    return value != expected or type(value) is not type(expected)


def _plain(value: object) -> bool:
    """Whether a test can name the value."""
    if isinstance(value, list | tuple):
        return all(_plain(item) for item in cast("Sequence[object]", value))
    if isinstance(value, dict):
        pairs = cast("Mapping[object, object]", value).items()
        return all(_plain(item) for pair in pairs for item in pair)
    return value is None or isinstance(value, bool | int | str)


def _namespace(code: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(code, "generated", "exec"), names)  # noqa: S102 - our own code
    return names


def _value(names: dict[str, object], code: str) -> object:
    """What a case's last line is worth; a new object where it raises, which equals nothing."""
    *before, last = code.replace("{m}", "").split("\n")
    here = copy.copy(names)
    try:
        with _limited():
            exec("\n".join(before), here)  # noqa: S102
            return copy.deepcopy(eval(last, here))  # noqa: S307
    except Exception:  # noqa: BLE001 - whatever the bug raises
        return object()


@contextmanager
def _limited() -> Generator[None]:
    """Ends what takes too long with an error."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
