"""A sandbox on an empty folder, and sandboxes on other folders; closed at the end."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox
from tests.sandbox.opening import Opening

_DEFAULT = Limits()


@pytest.fixture
async def opening() -> AsyncIterator[Opening]:
    opened: list[Sandbox] = []

    async def make(
        root: Path,
        *,
        limits: Limits = _DEFAULT,
        readonly: Sequence[Path] = (),
        own_python: bool = True,
    ) -> Sandbox:
        sandbox = await open_sandbox(root, limits=limits, readonly=readonly, own_python=own_python)
        opened.append(sandbox)
        return sandbox

    yield make
    for sandbox in opened:
        await sandbox.close()


@pytest.fixture
async def sandbox(tmp_path: Path, opening: Opening) -> Sandbox:
    root = tmp_path / "workspace"
    root.mkdir()
    return await opening(root)
