"""A sandbox on an empty folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from sandbox.sandbox import Sandbox


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    root = tmp_path / "workspace"
    root.mkdir()
    opened = await open_sandbox(root)
    yield opened
    await opened.close()
