"""Whole tasks: a project with a bug, tests that show it, and how one would ask for the repair."""

import copy
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import cast

from agent.task import Split, Task
from distillation.programs import classes, functions
from distillation.programs.bench import Bench, Unit
from distillation.programs.names import Names
from distillation.programs.prompts import prompt
from distillation.programs.sites import Bug, bugs, render
from sandbox.check import Check

FAMILIES: Mapping[str, Callable[[Bench], Unit]] = {
    "functions": functions.unit,
    "classes": classes.unit,
}
"""`functions` is for pretraining; `classes` is left out of it and is what the demo learns."""
_UNITS = (1, 1, 1, 1, 2, 2, 2, 2, 3, 3)
_ATTEMPTS = 200
_CASES = 24
_RARE = frozenset(("off by one", "missing case", "mutable default", "swapped arguments"))
"""Kinds that few units can have: drawn more often where they can be had."""
_LONGEST = 48
"""Characters of a value in a test."""
_SECONDS = 0.5


@dataclass(frozen=True)
class Fault:
    """A bug that was put into a unit, and the file around it."""

    unit: str
    bug: Bug
    path: str
    before: str
    """The file when the faults in front of this one have been repaired."""
    after: str
    """The file when this one has been repaired as well."""
    other: tuple[Bug, str] | None = None
    """A repair that is none, and the file with it."""


@dataclass(frozen=True)
class Puzzle:
    """A task with what only its maker knows."""

    task: Task
    faults: tuple[Fault, ...]
    runner: str
    """What runs the tests: `pytest` or `unittest`."""


@dataclass(frozen=True)
class _Tested:
    """A unit with a bug or none, and the cases that test it: code and expected value."""

    unit: Unit
    bug: Bug | None
    cases: tuple[tuple[str, str], ...]


def puzzle(
    family: str, split: Split, seed: int, faults: int | None = 1, units: Sequence[int] = _UNITS
) -> Puzzle:
    """The task of this seed; the same arguments always make the same one.

    `faults`: how many bugs it has; None draws it: mostly one, sometimes two, now and then none.
    `units`: one of these is drawn for how many functions or classes the module has.
    """
    random = Random(f"{family} {split} {seed} {'' if units == _UNITS else units}".strip())
    if faults is None:
        faults = random.choices((0, 1, 2), (3, 88, 9))[0]
    while True:
        bench = Bench(random, Names(random, split))
        count = max(faults, random.choice(units))
        broken = set(random.sample(range(count), faults))
        tested = [_tested(FAMILIES[family], bench, n in broken) for n in range(count)]
        if all(tested):
            return _project(f"{family}/{split}/{seed}", bench, [each for each in tested if each])


def _tested(make: Callable[[Bench], Unit], bench: Bench, broken: bool) -> _Tested | None:
    """A unit with a bug that its tests find; None if none could be made."""
    for _ in range(_ATTEMPTS):
        bench.near.clear()
        unit = make(bench)
        bug = _chosen(bench, unit) if broken else None
        if broken and bug is None:
            continue
        if cases := _cases(bench, unit, bug):
            return _Tested(unit, bug, cases)
    return None


def _chosen(bench: Bench, unit: Unit) -> Bug | None:
    """A bug; first its kind is drawn, so that kinds with many places are not more frequent."""
    known = bugs(unit.code)
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


def _module_name(bench: Bench) -> str:
    while (name := bench.function()) in sys.stdlib_module_names:
        pass
    return name


def _project(id: str, bench: Bench, units: Sequence[_Tested]) -> Puzzle:
    """Files, tests, prompt and solution."""
    module, runner = _module_name(bench), bench.pick(("pytest",) * 5 + ("unittest",))
    package = _module_name(bench) if bench.often(0.2) else ""
    path = f"{package}/{module}.py" if package else f"{module}.py"
    folder = "tests/" if bench.often(0.25) and runner == "pytest" else ""
    stem = module if bench.often(0.88) else _module_name(bench)
    test = f"{folder}test_{stem}.py"
    dotted = f"{package}.{module}" if package else module
    head = f'"""{module.replace("_", " ").capitalize()}."""\n\n\n' if bench.often(0.3) else ""
    faults = tuple(_faults(path, head, units))
    right = faults[-1].after if faults else _text(head, units)
    files = {
        path: faults[0].before if faults else right,
        **({f"{package}/__init__.py": ""} if package else {}),
    }
    files |= _others(bench)
    write = _pytest if runner == "pytest" else _unittest
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", test)
    command = ("{python}", *(words if runner == "pytest" else ("-m", "unittest", "-q", test)))
    task = Task(
        id=id,
        prompt=prompt(bench, path, test, faults[0].unit if faults else "", runner),
        check=Check((command,), protected={test: write(bench, dotted, units)}),
        files=files,
        solution={path: right},
        category=faults[0].bug.kind if faults else "none",
        source="generated",
    )
    return Puzzle(task, faults, runner)


def _text(head: str, units: Sequence[_Tested]) -> str:
    """The file with the bugs that the units still have."""
    return head + "\n\n".join(render(u.unit.code, *((u.bug,) if u.bug else ())) for u in units)


def _faults(path: str, head: str, units: Sequence[_Tested]) -> Generator[Fault]:
    """The faults in the order in which tests show them."""
    now = list(units)
    for n, each in enumerate(units):
        if each.bug is None:
            continue
        before, now[n] = _text(head, now), replace(each, bug=None)
        after = _text(head, now)
        others = [b for b in bugs(each.unit.code) if b.place == each.bug.place and b != each.bug]
        other = None
        if others:
            wrong = [replace(u, bug=others[0]) if u is now[n] else u for u in now]
            other = others[0], _text(head, wrong)
        yield Fault(each.unit.name, each.bug, path, before, after, other)


def _others(bench: Bench) -> dict[str, str]:
    """Files that have nothing to do with it."""
    found: dict[str, str] = {}
    if bench.often(0.2):
        found["README.md"] = f"# {bench.function().replace('_', ' ').title()}\n\nA small project.\n"
    for _ in range(bench.pick((0, 0, 0, 1, 2))):
        unit = functions.unit(bench) if bench.often(0.8) else None
        name = _module_name(bench)
        text = render(unit.code) if unit else f"{bench.variable().upper()} = {bench.integer()}\n"
        found[f"{name}.py"] = text
    return found


def _imports(bench: Bench, dotted: str, units: Sequence[_Tested]) -> tuple[str, str]:
    """The import line and the prefix of names."""
    if bench.often(0.2):
        return f"import {dotted}\n", f"{dotted}."
    return f"from {dotted} import {', '.join(sorted(u.unit.name for u in units))}\n", ""


def _claim(code: str, expected: str) -> str:
    if expected in ("True", "False", "None"):
        return f"assert {code} is {expected}"
    return f"assert {code} == {expected}"


def _lines(case: tuple[str, str], prefix: str, claim: Callable[[str, str], str]) -> list[str]:
    *before, last = case[0].replace("{m}", prefix).split("\n")
    return [*before, claim(last, case[1])]


def _label(unit: Unit) -> str:
    return unit.name.lower()


def _pytest(bench: Bench, dotted: str, units: Sequence[_Tested]) -> str:
    line, prefix = _imports(bench, dotted, units)
    blocks = [line]
    for each in units:
        bodies = [_lines(case, prefix, _claim) for case in each.cases]
        if bench.often(0.5):
            bodies = [[line for body in bodies for line in body]]
        for n, body in enumerate(bodies, start=1):
            name = f"test_{_label(each.unit)}" + (f"_{n}" if n > 1 else "")
            blocks.append(f"def {name}():\n" + "".join(f"    {line}\n" for line in body))
    return "\n\n".join(blocks)


def _unittest(bench: Bench, dotted: str, units: Sequence[_Tested]) -> str:
    line, prefix = _imports(bench, dotted, units)
    name = "".join(word.capitalize() for word in dotted.replace(".", "_").split("_"))
    text = f"import unittest\n\n{line}\n\nclass Test{name}(unittest.TestCase):\n"
    methods: list[str] = []
    for each in units:
        body = [
            line
            for case in each.cases
            for line in _lines(case, prefix, "self.assertEqual({}, {})".format)
        ]
        inner = "".join(f"        {line}\n" for line in body)
        methods.append(f"    def test_{_label(each.unit)}(self):\n{inner}")
    return text + "\n".join(methods)
