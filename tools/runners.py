"""Which tests a workspace has, by the files there, and the commands that run them."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sandbox.tree import Tree, TreeError

MARKS = ("package.json", "Cargo.toml", "go.mod", "test_*.py", "*_test.py")
"""Patterns of the files that tell."""
_FILES = {"package.json": "npm", "Cargo.toml": "cargo", "go.mod": "go"}
_ENDINGS = {
    ".py": "pytest", ".rs": "cargo", ".go": "go",
    ".js": "npm", ".jsx": "npm", ".mjs": "npm", ".cjs": "npm", ".ts": "npm", ".tsx": "npm",
}  # fmt: skip
_EMPTY_SCRIPT = "no test specified"


@dataclass(frozen=True)
class Runner:
    """One command that runs tests."""

    name: str
    """`pytest`, `unittest`, `npm`, `cargo` or `go`."""
    folder: str
    """Where it runs, relative to the workspace."""
    command: tuple[str, ...]


def runners(root: Path, marks: Iterable[str], path: str, python: str) -> list[Runner]:
    """What runs the tests in `path`, a file or folder; an empty one is the whole workspace.

    `marks`: the files that match `MARKS`, relative to the workspace. `python`: the interpreter.
    """
    file = path.partition("::")[0]
    wanted = _ENDINGS.get(PurePosixPath(file).suffix, "")
    found: list[Runner] = []
    homes = {name: [str(PurePosixPath(m).parent) for m in marks if PurePosixPath(m).name == name]
             for name in _FILES}  # fmt: skip
    if wanted == "pytest" or (not wanted and _python_tests(marks, path)):
        found.append(pytest(python, path))
    for name, kind in _FILES.items():
        if wanted in ("", kind):
            for home in _homes(homes[name], file):
                if kind != "npm" or _has_script(root, home):
                    found.append(Runner(kind, home, _command(kind, _below(path, home), wanted)))
    return found


def pytest(python: str, path: str) -> Runner:
    """The command line whose output `tools.reports` reads."""
    options = ("-q", "--tb=short", "--no-header", "--color=no", "-p", "no:cacheprovider")
    places = (path,) if path else ()
    return Runner("pytest", ".", (python, "-m", "pytest", *options, *places))


def unittest(python: str, path: str) -> Runner:
    """Where there is no pytest."""
    if path.endswith(".py"):
        return Runner("unittest", ".", (python, "-m", "unittest", path))
    return Runner("unittest", ".", (python, "-m", "unittest", "discover", "-s", path or "."))


def _python_tests(marks: Iterable[str], path: str) -> bool:
    under = "" if path in ("", ".") else path.rstrip("/") + "/"
    return any(mark.endswith(".py") and mark.startswith(under) for mark in marks)


def _homes(folders: Sequence[str], path: str) -> Iterator[str]:
    """The projects to run for a path: the nearest above it, else those below it, topmost only."""
    place = PurePosixPath(path or ".")
    above = [folder for folder in folders if place.is_relative_to(folder)]
    if above:
        yield max(above, key=len)
        return
    for folder in folders:
        inside = PurePosixPath(folder)
        top = not any(other != folder and inside.is_relative_to(other) for other in folders)
        if top and inside.is_relative_to(place):
            yield folder


def _below(path: str, home: str) -> str:
    place = PurePosixPath(path or ".")
    inside = place.is_relative_to(home) and str(place) != home
    return str(place.relative_to(home)) if inside else ""


def _command(kind: str, path: str, wanted: str) -> tuple[str, ...]:
    """`path` is relative to the project; `wanted` says that it is a file of this kind."""
    if kind == "npm":
        return ("npm", "test", "--silent", *(("--", path) if path else ()))
    if kind == "go":
        folder = str(PurePosixPath(path).parent) if wanted and path else path
        return ("go", "test", f"./{folder}/..." if folder not in ("", ".") else "./...")
    match = re.fullmatch(r"tests/([^/]+)\.rs", path)
    return ("cargo", "test", "--no-fail-fast", *(("--test", match[1]) if match else ()))


def _has_script(root: Path, home: str) -> bool:
    try:
        package = json.loads(Tree(root).read(f"{home}/package.json"))
        script = package["scripts"]["test"]
    except (TreeError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
    return isinstance(script, str) and _EMPTY_SCRIPT not in script
