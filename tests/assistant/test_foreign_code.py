"""The installed wheel, started inside a repository that would like its own code to run."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

PACKAGES = ["assistant", "training", "distillation", "agent", "tools", "sandbox"]
TRAP = "import os, pathlib\npathlib.Path(os.environ['TRAP']).write_text(__file__)\n"


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`assistant`, installed from the wheel in an environment of its own."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    subprocess.run(
        [*install, "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)], check=True
    )
    # Dependencies are borrowed instead of installed again. Appended, so ours come first.
    site = next((folder / "lib").glob("python*")) / "site-packages"
    (site / "zz_borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "assistant"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A repository with packages of our names, a sitecustomize and more, each of them a trap."""
    repository = tmp_path / "repository"
    for name in [*PACKAGES, "langgraph", "rich", "prompt_toolkit", "platformdirs"]:
        (repository / name).mkdir(parents=True)
        (repository / name / "__init__.py").write_text(TRAP)
        (repository / name / "__main__.py").write_text(TRAP)
        (repository / name / "cli.py").write_text(TRAP)
    for name in ["sitecustomize.py", "usercustomize.py", "json.py", "argparse.py", "conftest.py"]:
        (repository / name).write_text(TRAP)
    return repository


@pytest.mark.parametrize("path", [None, "", ".", "{here}", "{here}:."])
@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["--version"], ["doctor"], ["models", "list"], ["episodes", "list"]),
        # Refused, but only after everything that a chat needs was loaded.
        ["-p", "hello", "--model", "local:nowhere.gguf"],
    ],
)
def test_none_of_its_code_runs(
    command: Path, hostile: Path, tmp_path: Path, path: str | None, arguments: list[str]
) -> None:
    trap = tmp_path / "trap"
    environment = {
        "PATH": os.environ["PATH"],
        "TRAP": str(trap),
        "ASSISTANT_HOME": str(tmp_path / "home"),
    }
    if path is not None:
        environment["PYTHONPATH"] = path.format(here=hostile)
    done = subprocess.run(
        [command, *arguments],
        cwd=hostile, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not trap.exists(), trap.read_text()
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if "-p" in arguments else 0), done.stderr


def test_the_trap_works(hostile: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    environment = {"PATH": os.environ["PATH"], "TRAP": str(trap), "PYTHONPATH": "."}
    subprocess.run([sys.executable, "-c", "import tools"], cwd=hostile, env=environment, check=True)
    assert trap.exists()


def test_a_folder_that_is_gone_is_no_crash(command: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f"rmdir {gone} && exec {command} --help"],
        cwd=gone, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "assistant: this folder does not exist any more; change to another one.\n"
