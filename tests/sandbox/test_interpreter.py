"""The workspace's code runs under its own Python or a bare one, never with our packages."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.interpreter import resolve
from sandbox.sandbox import Sandbox
from tests.sandbox.opening import Opening


async def _python(sandbox: Sandbox, code: str) -> str:
    completed = await sandbox.run([sandbox.python, "-c", code])
    return completed.stdout.strip() + completed.stderr.strip()[-200:]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    packages = next((tmp_path / ".venv").glob("lib/python3*/site-packages"))
    (packages / "theirs.py").write_text("name = 'their package'\n")
    return tmp_path


async def test_the_bare_interpreter_has_pytest_and_nothing_of_ours(sandbox: Sandbox) -> None:
    assert await _python(sandbox, "import pytest; print(pytest.__name__)") == "pytest"
    for module in ("pydantic", "langgraph", "sandbox", "hypothesis"):
        assert "ModuleNotFoundError" in await _python(sandbox, f"import {module}")


@pytest.mark.parametrize("init", [True, False])
async def test_packages_named_like_ours_are_theirs(sandbox: Sandbox, init: bool) -> None:
    for name in ("tools", "agent"):
        (sandbox.root / name).mkdir()
        (sandbox.root / name / "part.py").write_text(f"value = 'their {name}'\n")
        if init:
            (sandbox.root / name / "__init__.py").touch()
        code = f"import {name}.part; print({name}.part.value)"
        assert await _python(sandbox, code) == f"their {name}"


async def test_python_by_any_name_is_the_same(sandbox: Sandbox) -> None:
    show = "import sys; print(sys.version, sys.prefix)"
    expected = await _python(sandbox, show)
    for name in ("python", "python3"):
        assert (await sandbox.run([name, "-c", show])).stdout.strip() == expected
    assert (await sandbox.run(["pytest", "--version"])).ok


async def test_a_projects_environment_is_used(project: Path, opening: Opening) -> None:
    sandbox = await opening(project)
    assert sandbox.python == f"{sandbox.workdir}/.venv/bin/python"
    assert await _python(sandbox, "import theirs; print(theirs.name)") == "their package"
    assert (await sandbox.run(["python", "-c", "import theirs, pytest"])).ok
    assert "ModuleNotFoundError" in await _python(sandbox, "import pydantic")


async def test_an_environments_own_pytest_comes_first(project: Path, opening: Opening) -> None:
    packages = next((project / ".venv").glob("lib/python3*/site-packages"))
    (packages / "pytest").mkdir()
    (packages / "pytest/__init__.py").write_text("name = 'their pytest'\n")
    sandbox = await opening(project)
    assert await _python(sandbox, "import pytest; print(pytest.name)") == "their pytest"


async def test_scripts_with_the_hosts_path_work(project: Path, opening: Opening) -> None:
    script = project / ".venv/bin/hello"
    script.write_text(f"#!{project}/.venv/bin/python\nimport theirs\nprint(theirs.name)\n")
    script.chmod(0o755)
    assert (await (await opening(project)).run(["hello"])).stdout == "their package\n"


async def test_an_environment_can_be_left_unused(project: Path, opening: Opening) -> None:
    sandbox = await opening(project, own_python=False)
    assert "ModuleNotFoundError" in await _python(sandbox, "import theirs")


@pytest.mark.parametrize("home", ["{secret}/bin", "/bin", "", "relative/bin", "{root}/fake/bin"])
async def test_a_hostile_environment_shows_nothing(
    tmp_path: Path,
    project: Path,
    home: str,
    tmp_path_factory: pytest.TempPathFactory,
    opening: Opening,
) -> None:
    secret = tmp_path_factory.mktemp("secret")
    (secret / "bin").mkdir()
    (secret / "bin/python3").write_text("key")
    (project / "fake/bin").mkdir(parents=True)
    (project / "fake/lib/python3.11").mkdir(parents=True)
    (project / "fake/lib/python3.11/os.py").touch()
    (project / "fake/bin/python3").symlink_to(secret / "bin/python3")
    named = home.format(secret=secret, root=project)
    (project / ".venv/pyvenv.cfg").write_text(f"home = {named}\n")
    found = resolve(project, "/workspace")
    assert found.python == "/opt/bin/python3"
    assert str(secret) not in found.mounts
    sandbox = await opening(project)
    assert not (await sandbox.run(["cat", str(secret / "bin/python3")])).ok


def test_a_pipe_as_configuration_does_not_hang(project: Path) -> None:
    configuration = project / ".venv/pyvenv.cfg"
    configuration.unlink()
    subprocess.run(["mkfifo", configuration], check=True)
    assert resolve(project, "/workspace").python == "/opt/bin/python3"


def test_a_configuration_without_end_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    with (tmp_path / ".venv/pyvenv.cfg").open("w") as file:
        file.truncate(2**40)
    assert resolve(tmp_path, "/workspace").python == "/opt/bin/python3"
