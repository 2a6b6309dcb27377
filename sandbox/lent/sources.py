"""Python source as documentation: what a dotted name stands for, with signature and docstring.

Source is parsed and never imported, but for modules of the standard library that are not written
in Python. Runs inside the sandbox.
"""

import ast
import builtins
import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LARGEST = 3_000_000
"""Bytes of a file that is read."""
CALLABLE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Entry:
    """Something that has a name and perhaps a docstring."""

    name: str
    """From the top-level package on."""
    signature: str
    """Arguments in brackets, or what kind of thing it is."""
    doc: str
    place: str
    """`file:line`."""
    members: tuple[str, ...] = ()
    """Lines about what a class or module holds."""
    node: ast.AST | None = None
    """What has yet to be looked at; `place` is only the file then."""

    @property
    def title(self) -> str:
        """In one line."""
        return f"{self.name}{self.signature}"


def places(python: str) -> list[Path]:
    """Folders that hold packages: the interpreter's own, those lent to it, the standard library."""
    prefix = Path(python).parent.parent
    lent = [Path(part) for part in os.environ.get("PYTHONPATH", "").split(":") if part]
    own = sorted(prefix.glob("lib*/python3*/*-packages"))
    folders = [place for place in (*own, *lent, Path(os.__file__).parent) if place.is_dir()]
    # lib64 is mostly a link to lib.
    return list({os.path.realpath(place): place for place in reversed(folders)}.values())[::-1]


@cache
def parsed(path: Path) -> ast.Module | None:
    """The syntax tree of a file; None for what is no Python or too large."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def module_file(folders: Iterable[Path], parts: list[str]) -> Path | None:
    """The file of a module by its dotted name; stubs where there is nothing else."""
    for folder in folders:
        place = folder.joinpath(*parts)
        for name in (place / "__init__.py", place.with_name(f"{place.name}.py"),
                     place / "__init__.pyi", place.with_name(f"{place.name}.pyi")):  # fmt: skip
            if name.is_file():
                return name
    return None


def resolved(folders: list[Path], dotted: str, depth: int = 8) -> Entry | None:
    """What a dotted name stands for, through the imports that packages re-export it by."""
    parts = dotted.split(".")
    for split in range(len(parts), 0, -1):
        path = module_file(folders, parts[:split])
        tree = parsed(path) if path else None
        if path and tree:
            module, rest = ".".join(parts[:split]), parts[split:]
            if not rest:
                return of_module(module, tree, path)
            return within(folders, (module, tree, path), rest, depth)
    return None


def within(
    folders: list[Path], where: tuple[str, ast.Module, Path], rest: list[str], depth: int
) -> Entry | None:
    """A name inside of a module: defined there, or imported from where it is defined."""
    module, tree, path = where
    node = defined(tree, rest)
    if node is not None:
        return of_node(".".join([module, *rest]), node, path)
    for origin in bases(tree, rest) if depth else ():
        if found := within(folders, where, [*origin, *rest[1:]], depth - 1):
            return found
    source = imported(tree, rest[0], module, path.name.startswith("__init__."))
    for origin in source if depth else ():
        if found := resolved(folders, ".".join([origin, *rest[1:]]), depth - 1):
            return found
    return None


def bases(tree: ast.Module, rest: list[str]) -> Iterator[list[str]]:
    """The names of the classes that the first name inherits from, where more names follow."""
    node = defined(tree, rest[:1]) if len(rest) > 1 else None
    for base in node.bases if isinstance(node, ast.ClassDef) else ():
        if NAME.fullmatch(shown := ast.unparse(base)):
            yield shown.split(".")


def defined(tree: ast.Module, names: list[str]) -> ast.AST | None:
    """The class, function or variable of these names, one inside the other."""
    node: ast.AST = tree
    for name in names:
        inside = [child for child in statements(node) if name in named(child)]
        # The last one stands; stubs may have nothing but overloads.
        real = [child for child in inside if not is_overload(child)] or inside[:1]
        if not real:
            return None
        node = next((child for child in real if isinstance(child, CALLABLE)), real[-1])
    return node


def named(node: ast.AST) -> list[str]:
    """The names that a statement gives something."""
    if isinstance(node, CALLABLE):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_overload(node: ast.AST) -> bool:
    """One of several signatures of what is defined below."""
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(each).endswith("overload") for each in decorators)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a body, those under `if` and `try` too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.If, ast.Try, ast.ExceptHandler, ast.With)):
            yield from statements(child)
        else:
            yield child


def imported(tree: ast.Module, name: str, module: str, package: bool) -> list[str]:
    """Where a module has a name from: the dotted names to look at, the surest first."""
    sure, stars = list[str](), list[str]()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            pairs = [(alias.asname, alias.name) for alias in node.names]
            sure += [origin for known, origin in pairs if known == name]
        elif isinstance(node, ast.ImportFrom):
            origin = origin_of(node, module, package)
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    sure.append(f"{origin}.{alias.name}")
                elif alias.name == "*":
                    stars.append(f"{origin}.{name}")
    return sure + stars


def origin_of(node: ast.ImportFrom, module: str, package: bool) -> str:
    """The module that is imported from, with its leading dots resolved."""
    base = module.split(".")
    kept = base[: len(base) - node.level + package] if node.level else []
    return ".".join([*kept, *([node.module] if node.module else [])])


def of_node(name: str, node: ast.AST, path: Path) -> Entry:
    """A class or function."""
    doc, signature, members = "", "", ()
    if isinstance(node, CALLABLE):
        doc = ast.get_docstring(node) or ""
        signature = arguments(node)
        if isinstance(node, ast.ClassDef):
            members = tuple(outline(node, public=True))
            doc = doc or next((ast.get_docstring(n) or "" for n in inits(node)), "")
    elif value := getattr(node, "value", None):
        signature = f" = {ast.unparse(value)[:300]}"
    return Entry(name, signature, doc, f"{path}:{getattr(node, 'lineno', 1)}", members)


def complete(entry: Entry) -> Entry:
    """With what was left out where only name and docstring were wanted."""
    if isinstance(entry.node, ast.Module):
        return of_module(entry.name, entry.node, Path(entry.place))
    return of_node(entry.name, entry.node, Path(entry.place)) if entry.node else entry


def inits(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """The constructor, if there is one."""
    for child in statements(node):
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            yield child


def arguments(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    """How it is called, as far as the source says."""
    if isinstance(node, ast.ClassDef):
        made = next(inits(node), None)
        return arguments(made) if made else " (class)"
    shown = ast.unparse(node.args)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    shown = re.sub(r"^(self|cls)(, |$)", "", shown)
    return f"({shown}){returns}"


def of_module(name: str, tree: ast.Module, path: Path) -> Entry:
    """A module: its docstring and what it defines."""
    doc = ast.get_docstring(tree) or ""
    return Entry(name, " (module)", doc, f"{path}:1", tuple(outline(tree, public=True)))


def outline(node: ast.AST, public: bool) -> Iterator[str]:
    """A line for each class and function of a body."""
    for child in statements(node):
        if isinstance(child, CALLABLE) and not (public and child.name.startswith("_")):
            first = (ast.get_docstring(child) or "").partition("\n")[0]
            yield f"{child.name}{arguments(child)}" + (f": {first}" if first else "")


def compiled(dotted: str) -> Entry | None:
    """A part of the standard library that is not written in Python, such as `str.join`."""
    first, *rest = dotted.split(".")
    thing: object = getattr(builtins, first, None)
    try:
        if thing is None and (first in sys.builtin_module_names or _is_extension(first)):
            thing = importlib.import_module(first)
        for name in rest if thing is not None else ():
            thing = getattr(thing, name)
        shown = str(inspect.signature(thing)) if callable(thing) else ""
    except (AttributeError, ImportError):
        return None
    except (ValueError, TypeError):
        shown = "(...)"
    doc = inspect.getdoc(thing) or ""
    return None if thing is None else Entry(dotted, shown, doc, "written in C")


def _is_extension(name: str) -> bool:
    folder = Path(os.__file__).parent / "lib-dynload"
    return name in sys.stdlib_module_names and any(folder.glob(f"{name}.*so"))
