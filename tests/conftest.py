"""What holds for the whole suite."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def llama_cpp_lets_go() -> Iterator[None]:
    """llama_cpp opens /dev/null twice when it is imported and never closes it."""
    yield
    if module := sys.modules.get("llama_cpp._utils"):
        module.outnull_file.close()
        module.errnull_file.close()
