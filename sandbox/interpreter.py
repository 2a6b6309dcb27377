"""Which Python runs the workspace's code: the project's own, else a bare one, never ours.

Our site-packages would change what the code sees: a project's own `tools` package would lose
against ours, and a correct solution would be judged wrong.
"""

import os
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

LENT = "/opt/lent"
"""Where packages of ours are inside."""
GRAMMARS = "/opt/symbols"
"""Where tree-sitter and its grammars are inside."""
_GRAMMARS = ("", "-c", "-cpp", "-go", "-java", "-javascript", "-python", "-rust", "-typescript")
_LENT_DISTRIBUTIONS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")


@dataclass(frozen=True)
class Interpreter:
    """A Python and what bubblewrap must mount for it."""

    python: str
    """Its path inside the sandbox."""
    mounts: tuple[str, ...] = ()
    """bubblewrap arguments."""
    env: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> str:
        """What goes in front of PATH."""
        return str(Path(self.python).parent)


def resolve(root: Path, workdir: str, *, own: bool = True) -> Interpreter:
    """The interpreter for a workspace, decided before anything in it runs.

    `own`: whether a virtual environment in the workspace may be used.
    """
    for name in (".venv", "venv") if own else ():
        prefix = _project_prefix(root / name)
        if prefix:
            lend = not any((root / name).glob("lib/python3*/site-packages/pytest"))
            mounts, env = _lent() if lend else ((), ())
            # Scripts and editable installs of the environment name the workspace's real path.
            alias = () if str(root) == workdir else ("--symlink", workdir, str(root))
            python = f"{workdir}/{name}/bin/python"
            return Interpreter(python, (*_bind(prefix), *alias, *mounts), env)
    return _base()


def _base() -> Interpreter:
    """The interpreter that our own environment was made from, without its packages."""
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = prefix / "bin" / version
    mounts, env = _lent()
    hidden: list[str] = []
    for library in dict.fromkeys((prefix / "lib" / version, Path("/usr/local/lib") / version)):
        for name in ("site-packages", "dist-packages"):
            if (library / name).is_dir():
                folder = str(library / name)
                hidden += ["--perms", "0555", "--tmpfs", folder, "--remount-ro", folder]
    names = [part for name in ("python", "python3") for part in _link(str(python), name)]
    return Interpreter("/opt/bin/python3", (*_bind(prefix), *hidden, *names, *mounts), env)


def _link(target: str, name: str) -> tuple[str, str, str]:
    """A command in /opt/bin."""
    return ("--symlink", target, f"/opt/bin/{name}")


def _project_prefix(venv: Path) -> Path | None:
    """The prefix of the interpreter that a virtual environment was made from, if it is a real one.

    The workspace is untrusted: its `pyvenv.cfg` could name any folder, which would be shown to it.
    """
    configuration = venv / "pyvenv.cfg"
    if not configuration.is_file():
        return None
    lines = configuration.read_text(encoding="utf-8", errors="replace").splitlines()
    settings = {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)
    }
    prefix = Path(settings.get("home", "")).parent
    python = Path(os.path.realpath(venv / "bin/python"))
    real = prefix.resolve()
    inside = python.is_relative_to(real) or python.is_relative_to(venv.parent.resolve())
    return prefix if inside and os.access(python, os.X_OK) and _is_prefix(real, venv) else None


def _is_prefix(prefix: Path, venv: Path) -> bool:
    """Whether a folder holds a Python installation and is neither home, root nor the workspace."""
    shown = {Path("/"), Path.home(), *Path.home().parents, *venv.resolve().parents}
    workspace = venv.parent.resolve()
    if prefix in shown or not prefix.is_absolute() or prefix.is_relative_to(workspace):
        return False
    return any(prefix.glob("bin/python3*")) and any(prefix.glob("lib/python3*/os.py"))


def _bind(prefix: Path) -> tuple[str, ...]:
    """Mount an installation read-only where it is; only what a Python needs of it."""
    arguments: list[str] = []
    for place in dict.fromkeys((prefix, prefix.resolve())):
        if not place.is_relative_to("/usr"):
            for name in ("bin", "lib"):
                arguments += ["--ro-bind", str(place / name), str(place / name)]
    return tuple(arguments)


def lent() -> dict[str, Path]:
    """pytest and what it needs, from our environment: name to file or folder."""
    return _parts(_LENT_DISTRIBUTIONS)


def grammars() -> dict[str, Path]:
    """The same for tree-sitter and its grammars, which `lent/symbols.py` needs."""
    return _parts(tuple(f"tree-sitter{name}" for name in _GRAMMARS))


def grammars_at(lent: str) -> str:
    """Where they are inside of a sandbox that has our scripts at `lent`."""
    ours = Path(__file__).parent / "lent"
    return sysconfig.get_path("platlib") if lent == str(ours) else GRAMMARS


def _parts(names: tuple[str, ...]) -> dict[str, Path]:
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
