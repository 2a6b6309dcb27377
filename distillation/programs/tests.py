"""The text of test files, for pytest and for unittest."""

from collections.abc import Callable, Sequence

from distillation.programs.bench import Bench, Unit
from distillation.programs.tested import Tested


def _imports(bench: Bench, dotted: str, units: Sequence[Tested]) -> tuple[str, str]:
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


def pytest(bench: Bench, dotted: str, units: Sequence[Tested]) -> str:
    """Functions with plain assertions; `dotted` is the module that they import."""
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


def unittest(bench: Bench, dotted: str, units: Sequence[Tested]) -> str:
    """A test case with a method for each unit."""
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
