"""What holds for the whole suite."""

import sys
from collections.abc import Iterator, Sequence

import pytest

pytest_plugins = ("tests.tables",)

_TOGETHER = ("sandbox", "training")
"""Folders whose tests never run side by side: attacks want the machine, training is made once."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Group tests for `pytest -n`: those of a group run in one process, one after the other."""
    for item in items:
        folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        group = folder if folder in _TOGETHER else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def llama_cpp_lets_go() -> Iterator[None]:
    """llama_cpp opens /dev/null twice when it is imported and never closes it."""
    yield
    if module := sys.modules.get("llama_cpp._utils"):
        module.outnull_file.close()
        module.errnull_file.close()
