"""A context on an empty workspace, and a short way to call a tool."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from tests.tools.calling import Call
from tools.call import JSON, Observation, ToolCall
from tools.registry import default_tools
from tools.shell import run_python, shell
from tools.tool import Context, execute

# The first of a name is taken: commands that keep nothing from call to call.
_TOOLS = (shell, run_python, *default_tools("full"))


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    root = tmp_path / "workspace"
    root.mkdir()
    opened = await open_sandbox(root)
    yield Context(opened, root)
    await opened.close()


@pytest.fixture
def call(context: Context) -> Call:
    async def make(name: str, /, **arguments: JSON) -> Observation:
        return await execute(ToolCall("1", name, arguments), _TOOLS, context)

    return make
