"""Running a piece of Python as an ordinary user, also where the tests run as root."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

from sandbox.interpreter import grammars, lent

_HERE = Path(__file__).parents[2]
_SOMEBODY = 61235
_RUNS = "import sys; sys.exit(sys.version_info < (3, 11))"


def as_somebody(code: str) -> str:
    """What it prints; it starts in an empty folder of its own. Skips where nobody can be it."""
    if os.geteuid() != 0:
        with tempfile.TemporaryDirectory() as folder:
            return _run([sys.executable], code, Path(folder), _HERE, None)
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if not python or subprocess.run([python, "-c", _RUNS], check=False).returncode:
        pytest.skip("there is no Python that other users can run")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        copy, work = Path(folder, "copy"), Path(folder, "work")
        _copy(copy)
        work.mkdir()
        for path in (Path(folder), *copy.rglob("*")):
            path.chmod(0o755)
        os.chown(work, _SOMEBODY, _SOMEBODY)
        return _run([python, "-B"], code, work, copy, _SOMEBODY)


def _run(python: list[str], code: str, work: Path, home: Path, user: int | None) -> str:
    run = subprocess.run(
        [*python, "-c", code],
        cwd=work,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def _copy(target: Path) -> None:
    """The sandbox and what it needs of our environment."""
    shutil.copytree(_HERE / "sandbox", target / "sandbox")
    tops = {**lent(), **grammars()}
    for name in ("h11", "idna"):
        tops[name] = Path(str(metadata.distribution(name).locate_file(name)))
    for name, source in tops.items():
        copied = shutil.copytree if source.is_dir() else shutil.copy
        copied(source, target / name)
    for about in tops["pytest"].parent.glob("*.dist-info"):
        shutil.copytree(about, target / about.name, ignore=shutil.ignore_patterns("licenses"))
