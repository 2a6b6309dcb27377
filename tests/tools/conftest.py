"""A context on an empty workspace, and a short way to call a tool."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from tests.tools.calling import Call
from tools.call import JSON, Observation, ToolCall
from tools.edit import edit_files
from tools.glob import glob
from tools.registry import default_tools
from tools.symbols import symbols
from tools.tool import Context, execute

_TOOLS = (*default_tools(), edit_files, glob, symbols)


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
