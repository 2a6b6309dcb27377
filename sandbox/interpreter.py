"""Which Python runs the workspace's code: the project's own, else a bare one, never ours.

Our site-packages would change what the code sees: a project's own `tools` package would lose
against ours, and a correct solution would be judged wrong.
"""

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

LENT = "/opt/lent"
"""Where packages of ours are inside."""
GRAMMARS = "/opt/symbols"
"""Where tree-sitter and its grammars are inside."""
_GRAMMARS = ("", "-c", "-cpp", "-go", "-java", "-javascript", "-python", "-rust", "-typescript")
_LARGEST = 2**16
"""Characters of a `pyvenv.cfg` that are read: the workspace is untrusted."""
_LENT_DISTRIBUTIONS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")


@dataclass(frozen=True)
class Interpreter:
    """A Python and what bubblewrap must mount for it."""

    python: str
    """Its path inside the sandbox."""
    supervisor: str = ""
    """The path of the Python that runs our own supervisor; never one of the workspace's."""
    mounts: tuple[str, ...] = ()
    """bubblewrap arguments."""
    env: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> str:
        """What goes in front of PATH."""
        return str(Path(self.python).parent)


def resolve(
    root: Path, workdir: str, *, own: bool = True, named: Path | None = None
) -> Interpreter:
    """The interpreter for a workspace, decided before anything in it runs.

    `own`: whether a virtual environment in the workspace may be used; `named`: the folder that the
    workspace shows another version of, and that scripts name.
    """
    named = named or root
    for name in (".venv", "venv") if own else ():
        prefix = _project_prefix(root / name, named)
        if prefix:
            lend = not any((root / name).glob("lib/python3*/site-packages/pytest"))
            mounts, env = _lent() if lend else ((), ())
            # Scripts and editable installs of the environment name the workspace's real path.
            alias = () if str(named) == workdir else ("--symlink", workdir, str(named))
            python = f"{workdir}/{name}/bin/python"
            bound = _bind(Path(sys.base_prefix), prefix)
            return Interpreter(python, str(_own()), (*bound, *alias, *mounts), env)
    return _base()


def _base() -> Interpreter:
    """The interpreter that our own environment was made from, without its packages."""
    prefix, python = Path(sys.base_prefix), _own()
    version = python.name
    mounts, env = _lent()
    hidden: list[str] = []
    for library in dict.fromkeys((prefix / "lib" / version, Path("/usr/local/lib") / version)):
        for name in ("site-packages", "dist-packages"):
            if (library / name).is_dir():
                folder = str(library / name)
                hidden += ["--perms", "0555", "--tmpfs", folder, "--remount-ro", folder]
    names = [part for name in ("python", "python3") for part in _link(str(python), name)]
    arguments = (*_bind(prefix), *hidden, *names, *mounts)
    return Interpreter("/opt/bin/python3", str(python), arguments, env)


def _own() -> Path:
    """The program of the interpreter that our own environment was made from."""
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


def _link(target: str, name: str) -> tuple[str, str, str]:
    """A command in /opt/bin."""
    return ("--symlink", target, f"/opt/bin/{name}")


def _project_prefix(venv: Path, named: Path) -> Path | None:
    """The prefix of the interpreter that a virtual environment was made from, if it is a real one.

    The workspace is untrusted: its `pyvenv.cfg` could name any folder, which would be shown to it.
    """
    configuration = venv / "pyvenv.cfg"
    if not configuration.is_file():
        return None
    with configuration.open(encoding="utf-8", errors="replace") as file:
        lines = file.read(_LARGEST).splitlines()
    settings = {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)
    }
    prefix = Path(settings.get("home", "")).parent
    real = prefix.resolve()
    python = _program(venv, named)
    inside = python.is_relative_to(real) or python.is_relative_to(venv.parent)
    return prefix if inside and os.access(python, os.X_OK) and _is_prefix(real, named) else None


def _program(venv: Path, named: Path) -> Path:
    """Where a virtual environment's `python` leads, link by link: below `venv.parent` or outside.

    Of a copy-on-write workspace the kernel knows no path that could be resolved.
    """
    root, at = venv.parent, Path(venv.name, "bin/python")
    for _ in range(40):
        if not (root / at).is_symlink():
            break
        at = Path(os.path.normpath(at.parent / (root / at).readlink()))
        if at.is_absolute() and at.is_relative_to(named):
            at = at.relative_to(named)
        if at.is_absolute() or at.parts[0] == "..":
            return Path(os.path.realpath(named / at))
    return root / at


def _is_prefix(prefix: Path, named: Path) -> bool:
    """Whether a folder holds a Python installation and is neither home, root nor the workspace."""
    workspace = named.resolve()
    shown = {Path("/"), Path.home(), *Path.home().parents, *workspace.parents}
    if prefix in shown or not prefix.is_absolute() or prefix.is_relative_to(workspace):
        return False
    return any(prefix.glob("bin/python3*")) and any(prefix.glob("lib/python3*/os.py"))


def _bind(*prefixes: Path) -> tuple[str, ...]:
    """Mount installations read-only where they are; only what a Python needs of them."""
    arguments: list[str] = []
    for place in dict.fromkeys(p for prefix in prefixes for p in (prefix, prefix.resolve())):
        if not place.is_relative_to("/usr"):
            for name in ("bin", "lib"):
                arguments += ["--ro-bind", str(place / name), str(place / name)]
    return tuple(arguments)


def lent() -> Mapping[str, Path]:
    """pytest and what it needs, from our environment: name to file or folder."""
    return _parts(_LENT_DISTRIBUTIONS)


def grammars() -> Mapping[str, Path]:
    """The same for tree-sitter and its grammars, which `lent/symbols.py` needs."""
    return _parts(tuple(f"tree-sitter{name}" for name in _GRAMMARS))


@cache
def _parts(names: tuple[str, ...]) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for name in names:
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()}:
            if top not in ("..", "__pycache__") and not top.endswith(".dist-info"):
                found[top] = Path(str(distribution.locate_file(top)))
    return dict(sorted(found.items()))


def _lent() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The same as mounts, each file or folder by itself."""
    arguments: list[str] = []
    for name, source in lent().items():
        arguments += ["--ro-bind", str(source), f"{LENT}/{name}"]
    return tuple(arguments), (("PYTHONPATH", LENT),)


def ripgrep() -> Path | None:
    """The `rg` of our environment, or None."""
    path = Path(sysconfig.get_path("scripts")) / "rg"
    return path if path.is_file() else None
