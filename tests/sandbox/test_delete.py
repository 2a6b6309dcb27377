"""What hostile commands lay out is removed, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.delete import delete
from tests.sandbox.somebody import as_somebody

_DEEP = """
import os
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
open("file", "w").close()
"""
_SHUT = """
import os
from pathlib import Path
from sandbox.delete import delete
os.makedirs("x/a/b")
open("x/a/b/c", "w").close()
os.chmod("x/a/b", 0)
os.chmod("x/a", 0)
delete(Path("x"))
print(os.listdir())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def test_deeper_than_any_path(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", _DEEP], cwd=folder, check=True)
    delete(folder)
    assert not folder.exists()


def test_permissions_taken_away() -> None:
    assert as_somebody(_SHUT) == "[]\n"


def test_links_are_not_followed(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").touch()
    (folder / "link").symlink_to(tmp_path / "outside")
    delete(folder)
    assert (tmp_path / "outside/file").exists()
    folder.symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="directory"):
        delete(folder)
    assert (tmp_path / "outside/file").exists()


def test_below_a_descriptor(tmp_path: Path, folder: Path) -> None:
    """As copy-on-write workspaces are known: by a path that another process has not."""
    above = os.open(tmp_path, os.O_PATH)
    subprocess.run([sys.executable, "-c", _DEEP], cwd=folder, check=True)
    delete(Path(f"/proc/self/fd/{above}/folder"))
    folder.mkdir()
    delete("folder", above)
    delete("folder", above)
    os.close(above)
    assert not folder.exists()
