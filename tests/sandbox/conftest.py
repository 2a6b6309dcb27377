"""A sandbox on an empty folder, and sandboxes on other folders; closed at the end."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
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


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """A Docker engine that `DOCKER_HOST` names from now on."""
    from tests.sandbox.engine import NoEngine, running

    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(running())
        except NoEngine as error:
            pytest.skip(str(error))
        variables = stack.enter_context(pytest.MonkeyPatch.context())
        variables.setenv("DOCKER_HOST", address)
        yield address
