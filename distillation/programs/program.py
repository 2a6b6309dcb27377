"""Whole tasks: a project with a bug, tests that show it, and how one would ask for the repair."""

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from random import Random

from agent.task import Split, Task
from distillation.programs import classes, functions, parts, tests
from distillation.programs.bench import Bench, Unit
from distillation.programs.names import Names
from distillation.programs.prompts import prompt
from distillation.programs.sites import Bug, bugs, render
from distillation.programs.tested import Tested, tested
from sandbox.check import Check

FAMILIES: Mapping[str, Callable[[Bench], Unit]] = {
    "functions": functions.unit,
    "tallies": parts.unit,
    "classes": classes.unit,
}
"""`functions` is for pretraining, which leaves the others out. The demo teaches `tallies`."""
_UNITS = (1, 1, 1, 1, 2, 2, 2, 2, 3, 3)


@dataclass(frozen=True)
class Fault:
    """A bug that was put into a unit, and the file around it."""

    unit: str
    bug: Bug
    before: str
    """The file when the faults in front of this one have been repaired."""
    after: str
    """The file when this one has been repaired as well."""
    other: str = ""
    """The file with a repair that is none; empty if there is none."""


@dataclass(frozen=True)
class Puzzle:
    """A task with what only its maker knows."""

    task: Task
    faults: tuple[Fault, ...]
    runner: str
    """What runs the tests: `pytest` or `unittest`."""


def puzzle(
    family: str,
    split: Split,
    seed: int,
    faults: int | None = 1,
    compounds: float = 0.0,
    hidden: float = 0.2,
) -> Puzzle:
    """The task of this seed; the same arguments always make the same one.

    `compounds`: share of the words in its names that are two in one.
    `faults`: how many bugs it has; None draws it: mostly one, sometimes two, now and then none.
    `hidden`: share of files in a folder; 0.6 of it have a test that does not have their name.
    """
    random = Random(f"{family} {split} {seed}")
    if faults is None:
        faults = random.choices((0, 1, 2), (3, 88, 9))[0]
    while True:
        bench = Bench(random, Names(random, split, compounds=compounds))
        count = max(faults, random.choice(_UNITS))
        broken = set(random.sample(range(count), faults))
        made = [tested(FAMILIES[family], bench, n in broken) for n in range(count)]
        if all(made):
            return _project(
                f"{family}/{split}/{seed}", bench, [each for each in made if each], hidden
            )


def module_path(bench: Bench, hidden: float = 0.2) -> tuple[str, str]:
    """Where a module is, and the package that it is in, if any."""
    module = _module_name(bench)
    package = _module_name(bench) if bench.often(hidden) else ""
    return (f"{package}/{module}.py" if package else f"{module}.py"), package


def opening(bench: Bench, path: str) -> str:
    """What stands above the first function: its module's docstring, or nothing."""
    name = PurePosixPath(path).stem.replace("_", " ").capitalize()
    return f'"""{name}."""\n\n\n' if bench.often(0.3) else ""


def _module_name(bench: Bench) -> str:
    while (name := bench.function()) in sys.stdlib_module_names:
        pass
    return name


def _project(id: str, bench: Bench, units: Sequence[Tested], hidden: float) -> Puzzle:
    """Files, tests, prompt and solution."""
    path, package = module_path(bench, hidden)
    module, runner = PurePosixPath(path).stem, bench.pick(("pytest",) * 5 + ("unittest",))
    folder = "tests/" if bench.often(0.25) and runner == "pytest" else ""
    stem = module if bench.often(1 - 0.6 * hidden) else _module_name(bench)
    test = f"{folder}test_{stem}.py"
    dotted = f"{package}.{module}" if package else module
    head = opening(bench, path)
    faults = tuple(_faults(head, units))
    right = faults[-1].after if faults else _text(head, units)
    files = {
        path: faults[0].before if faults else right,
        **({f"{package}/__init__.py": ""} if package else {}),
    }
    files |= _others(bench)
    write = tests.pytest if runner == "pytest" else tests.unittest
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


def _text(head: str, units: Sequence[Tested]) -> str:
    """The file with the bugs that the units still have."""
    return head + "\n\n".join(render(u.unit.code, *((u.bug,) if u.bug else ())) for u in units)


def _faults(head: str, units: Sequence[Tested]) -> Generator[Fault]:
    """The faults in the order in which tests show them."""
    now = list(units)
    for n, each in enumerate(units):
        if each.bug is None:
            continue
        before, now[n] = _text(head, now), replace(each, bug=None)
        after = _text(head, now)
        others = [b for b in bugs(each.unit.code) if b.place == each.bug.place and b != each.bug]
        other = ""
        if others:
            wrong = [replace(u, bug=others[0]) if u is now[n] else u for u in now]
            other = _text(head, wrong)
        yield Fault(each.unit.name, each.bug, before, after, other)


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
