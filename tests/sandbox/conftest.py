"""A sandbox on an empty folder."""

from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from sandbox.sandbox import Sandbox


@pytest.fixture
async def sandbox(tmp_path: Path) -> Sandbox:
    root = tmp_path / "workspace"
    root.mkdir()
    return await open_sandbox(root)
