"""Running a campaign in a process of its own, once a session, and what came of it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

from tests.sandbox.escapes.campaign import Result

_HERE = Path(__file__).resolve().parents[3]
_NOBODY = ("--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
_LENT = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "tree-sitter")
"""Beginnings of the names of what the sandbox lends."""
_LOADED = (
    "import sys, tests.sandbox.escapes.campaign\n"
    "for name, module in sys.modules.items():\n"
    "    if 'site-packages' in (getattr(module, '__file__', None) or ''): print(name)\n"
)
CONTROL = "control"
BACKENDS = ("bubblewrap", "bubblewrap as a user", "docker", "landlock")


@dataclass
class Campaign:
    """What came of all attempts on one backend."""

    results: dict[str, Result] = field(default_factory=dict[str, Result])
    missing: str = ""
    """Why the backend could not be tried here."""
    failed: str = ""
    """How the campaign itself went wrong."""


@cache
def campaign(backend: str) -> Campaign:
    """Run it, the first time it is asked for."""
    if not backend.endswith(" as a user"):
        return _run([sys.executable], backend, _HERE, {})
    if os.geteuid() != 0:
        return Campaign(missing="only root can become somebody else")
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    version = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not python or subprocess.run([python, "-c", version], check=False).returncode:
        return Campaign(missing="there is no Python that other users can run")
    copy = Path(tempfile.mkdtemp(prefix="assistant-escape-", dir="/var/tmp"))
    try:
        _readable_copy(copy)
        drop = ["setpriv", *_NOBODY, python, "-B"]
        return _run(drop, backend.removesuffix(" as a user"), copy, {"PYTHONPATH": str(copy)})
    finally:
        shutil.rmtree(copy)


def _run(python: list[str], backend: str, home: Path, env: dict[str, str]) -> Campaign:
    kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
    run = subprocess.run(
        [*python, "-m", "tests.sandbox.escapes.campaign", backend],
        cwd=home,
        env={**kept, "HOME": str(home), "LANG": "C.UTF-8", **env},
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=200,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    if lines and "missing" in lines[0]:
        return Campaign(missing=lines[0]["missing"])
    results = {line["name"]: Result(**line) for line in lines}
    return Campaign(results, failed=run.stderr[-2000:] if run.returncode else "")


def _readable_copy(copy: Path) -> None:
    """The sandbox, this suite and the packages that are lent, where everybody can read them."""
    skipped = shutil.ignore_patterns("__pycache__")
    for part in ("sandbox", "tests/sandbox/escapes"):
        shutil.copytree(_HERE / part, copy / part, ignore=skipped)
    for name in _packages():
        for file in metadata.distribution(name).files or ():
            there = copy / file
            if ".." not in file.parts and "__pycache__" not in file.parts:
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), there)
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def _packages() -> list[str]:
    """The distributions that the campaign loads or the sandbox lends."""
    line = [sys.executable, "-c", _LOADED]
    loaded = subprocess.check_output(line, cwd=_HERE, text=True).split()
    owners = metadata.packages_distributions()
    names = {owner for name in loaded for owner in owners.get(name.split(".")[0], ())}
    lent = {d.name for d in metadata.distributions() if d.name.lower().startswith(_LENT)}
    return sorted(names | lent)
