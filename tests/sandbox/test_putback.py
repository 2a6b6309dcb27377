"""Whatever a command makes of protected files, they hold again what they held."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.protected import Part
from sandbox.putback import PutBack
from tests.sandbox.somebody import as_somebody

_DEEP = """
import os
os.chdir("hooks")
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
"""
_SHUT = """
import os
from pathlib import Path
from sandbox.protected import Part
from sandbox.putback import PutBack
root = Path("root")
(root / "git/hooks").mkdir(parents=True)
(root / "git/hooks/mine").write_text("mine")
kept = PutBack(root, [Part("git/hooks", root / "git/hooks", readonly=True)])
(root / "git/hooks/evil").write_text("evil")
for mode in (0o111, 0o000):
    (root / "git/hooks").chmod(mode)
    (root / "git").chmod(mode)
    print(kept.restore(), os.listdir(root / "git/hooks"), (root / "git/hooks/mine").read_text())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/mine").write_text("mine")
    return tmp_path


def test_folders_deeper_than_any_path(root: Path) -> None:
    kept = PutBack(root, [Part("hooks", root / "hooks", readonly=True)])
    subprocess.run([sys.executable, "-c", _DEEP], cwd=root, check=True)
    assert kept.restore() == ("hooks",)
    assert [path.name for path in (root / "hooks").iterdir()] == ["mine"]
    assert kept.restore() == ()


def test_permissions_taken_away() -> None:
    assert as_somebody(_SHUT) == "('git/hooks',) ['mine'] mine\n" * 2


def test_modes_stay(root: Path) -> None:
    (root / "hooks").chmod(0o500)
    kept = PutBack(root, [Part("hooks", root / "hooks", readonly=True)])
    assert kept.restore() == ()
    assert (root / "hooks").stat().st_mode & 0o777 == 0o500
