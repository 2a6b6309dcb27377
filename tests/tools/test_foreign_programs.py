"""What only reads runs no program of the workspace: nobody is asked before it."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from tests.tools.live import use
from tools.registry import default_tools
from tools.tool import Context

_PROGRAMS = ("rg", "python3", "sh", "bash", "cat", "env", "git")
_HOSTILE = "#!/bin/sh\n: > /workspace/ran\n: > ran\nexit 0\n"


@pytest.fixture
async def context(tmp_path: Path) -> Context:
    root = tmp_path / "workspace"
    root.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / ".venv"], check=True)
    for name in _PROGRAMS:
        program = root / ".venv/bin" / name
        program.unlink(missing_ok=True)
        program.write_text(_HOSTILE)
        program.chmod(0o755)
    site = next((root / ".venv/lib").glob("python3*")) / "site-packages"
    for name in ("sitecustomize", "usercustomize", "json", "ast"):
        (site / f"{name}.py").write_text("open('ran', 'w')\n")
    (site / "evil.pth").write_text("import os; open('/workspace/ran', 'w')\n")
    (root / "a.py").write_text("def one():\n    return 1\n")
    return Context(await open_sandbox(root), root)


async def test_calls_that_need_no_yes_run_nothing_of_the_workspace(context: Context) -> None:
    full = {tool.name: tool for tool in default_tools("full")}
    arguments: dict[str, dict[str, str]] = {
        "read_file": {"path": "a.py"},
        "list_files": {},
        "glob": {"pattern": "*.py"},
        "search": {"pattern": "one"},
        "symbols": {"name": "one"},
        "docs": {"query": "json.dumps"},
    }
    others = {"read_job", "stop_job", "plan", "ask_user", "finish"}
    assert {name for name, tool in full.items() if tool.effect == "read"} == {*arguments, *others}
    for name, given in arguments.items():
        observation = await use(context, full[name], **given)
        assert observation.ok, observation.text
        assert "one" in observation.text or "a.py" in observation.text or name == "docs"
        assert not (context.root / "ran").exists(), name
    # They would run where a command names them, which needs a yes.
    await use(context, full["shell"], command="rg one")
    assert (context.root / "ran").exists()
    await context.memory.close()
    await context.sandbox.close()
