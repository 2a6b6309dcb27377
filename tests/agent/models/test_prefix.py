"""Five steps of the benchmark of prefixes: what was evaluated is not evaluated again."""

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.prefix import PROVIDERS, kept, local, ratio, remote, rendered
from training import student


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student that learnt nothing."""
    folder = tmp_path_factory.mktemp("student") / "student"
    student.init(folder)
    return folder / "base.gguf"


@pytest.mark.parametrize("cut", [0, 3])
async def test_the_student_evaluates_each_token_once_even_when_its_process_ends(
    gguf: Path, cut: int
) -> None:
    used = await local(gguf, 5, cut)
    assert len(used) == 5
    assert ratio(used) <= 1.05


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_request_begins_with_the_one_before_it(provider: str) -> None:
    events, opened = PROVIDERS[provider]
    used, requests = await remote(events(), opened, 5)
    assert kept(requests) == 4
    for before, now in pairwise(used):
        # OpenAI finds prefixes in steps of 128 tokens.
        assert now.cached >= before.input - 160


def test_a_request_that_changes_what_was_sent_is_noticed() -> None:
    first = {"messages": [{"role": "user", "content": "a"}], "tools": [{"name": "f"}]}
    more = {"role": "assistant", "content": "b"}
    good = {**first, "messages": [*first["messages"], more]}
    assert kept([first, good]) == 1
    assert kept([first, {**good, "tools": [{"name": "g"}]}]) == 0
    assert kept([good, first]) == 0
    marked = {"role": "user", "content": [{"type": "text", "cache_control": {"x": 1}}]}
    plain = {"role": "user", "content": [{"type": "text"}]}
    assert rendered({"messages": [marked]}) == rendered({"messages": [plain]})
