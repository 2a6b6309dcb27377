"""Imports of packages that load hundreds of modules only to pass their names on.

`openai.types` is two thirds of what the SDK costs at the start, and we use none of it.
"""

import ast
import importlib
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, cast

Sources = dict[str, tuple[str, str]]
"""By the name that a package offers: the module it is from, and its name there ("" is itself)."""


@contextmanager
def lazily(package: str) -> Generator[None]:
    """While this lasts, `package` and those inside it load a name's module when it is asked for.

    Only packages whose `__init__` does nothing but pass names on; all others load as ever.
    """
    finder = _Finder(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def sources(text: str) -> Sources | None:
    """Where the names of an `__init__` come from; None where it does anything else."""
    found: Sources = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for alias in node.names:
                name = alias.asname or alias.name
                whole = (f".{alias.name}", "")
                found[name] = (f".{node.module}", alias.name) if node.module else whole
        elif not _harmless(node):
            return None
    # The import of a module sets its name in the package, over a value of the same name.
    modules = {module.split(".")[1] for module, inside in found.values() if inside}
    return None if modules & set(found) or "*" in found else found


def _harmless(node: ast.stmt) -> bool:
    future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    return future or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


class _Package(ModuleType):
    """A package that loads on demand."""

    def __getattr__(self, name: str) -> object:
        known: Sources = self.__dict__.get("_sources", {})
        if name == "__all__" and known:
            return list(known)
        if name not in known:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module, inside = known[name]
        value: object = importlib.import_module(module, self.__name__)
        if inside:
            value = getattr(value, inside)
        setattr(self, name, value)
        return value


class _Loader(Loader):
    """Loads a package lazily if it can be."""

    def __init__(self, real: InspectLoader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Package(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        found = sources(self._real.get_source(module.__name__) or "raise ImportError")
        if found is None:
            self._real.exec_module(module)
        else:
            module.__dict__["_sources"] = found


class _Finder(MetaPathFinder):
    """Finds a package and those inside it."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not f"{fullname}.".startswith(f"{self._package}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.submodule_search_locations is not None:
            real = cast("Any", spec.loader)
            spec.loader = _Loader(real) if hasattr(real, "get_source") else real
        return spec
