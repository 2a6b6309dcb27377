"""How people ask for a repair."""

from distillation.programs.bench import Bench

_PLAIN = (
    "Fix the failing test.", "Fix the failing tests.", "The tests fail. Fix them.",
    "Make the tests pass.", "Please make the tests pass", "fix the bug", "Find the bug and fix it.",
    "There is a bug somewhere, can you fix it?", "Some test fails; please repair the code.",
    "tests are red, please fix", "Why do the tests fail? Fix it.", "Get the test suite green.",
    "One of the tests fails. Find out why and fix the code.", "Something is broken here. Fix it.",
    "Can you fix the failing test?", "Repair the program so that its tests pass.",
    "Run the tests and fix what fails.", "The test suite is failing, fix the bug.",
)  # fmt: skip
_PATH = (
    "Fix the bug in {path}.", "{path} has a bug. Fix it.", "The tests of {path} fail. Fix it.",
    "Find the bug in {path} and fix it.", "there's a bug in {path}, please fix",
    "`{path}` has a bug; make its tests pass.", "Please repair {path}.",
    "The tests of {path} fail. Find the bug in {path} and fix it.",
    "Something is wrong in {path}.", "Debug {path}.", "fix {path}",
    "{test} fails. Fix {path}.", "Make {test} pass by fixing {path}.",
)  # fmt: skip
_TEST = (
    "{test} fails, fix it.", "Make {test} pass.", "Fix the code so that {test} passes.",
    "The tests in {test} fail. Fix the code.", "`{test}` is failing, please fix the bug",
)  # fmt: skip
_NAME = (
    "{name} gives wrong results. Fix it.", "Fix {name} in {path}.", "{name} in {path} is broken.",
    "The function {name} has a bug, please fix it.", "`{name}` does not do what it says. Fix it.",
)  # fmt: skip
_UNITTEST = " Run the tests with `{command}`."
COMMANDS = {
    "pytest": "python -m pytest -q -x --tb=short",
    "unittest": "python -m unittest -q",
}
"""How the tests are run, by what runs them."""


def prompt(bench: Bench, path: str, test: str, name: str, runner: str) -> str:
    """What the user types."""
    kinds = (_PLAIN, _PLAIN, _PATH, _PATH, _PATH, _TEST, *((_NAME,) if name else ()))
    text = bench.pick(bench.pick(kinds))
    if runner == "unittest":
        text = text.rstrip() + ("" if text.endswith((".", "?")) else ".") + _UNITTEST
    command = COMMANDS[runner]
    return text.format(path=path, test=test, name=name, command=command)
