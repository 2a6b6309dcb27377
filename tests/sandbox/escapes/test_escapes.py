"""Nothing gets out: every attempt against every backend, each with a control that it works."""

from collections.abc import Callable

import pytest

from tests.sandbox.escapes.attempt import Attempt
from tests.sandbox.escapes.campaign import ATTEMPTS
from tests.sandbox.escapes.campaigns import BACKENDS, CONTROL, campaign

_KEYS = [attempt.key for attempt in ATTEMPTS]


def test_there_are_enough_attempts_and_no_two_alike() -> None:
    assert len(set(_KEYS)) == len(_KEYS) >= 60
    assert len({attempt.group for attempt in ATTEMPTS}) == 10


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=_KEYS)
def test_without_a_sandbox_it_works(attempt: Attempt) -> None:
    result = campaign(CONTROL).results[attempt.key]
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.escaped, result
    assert result.ran, result


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=_KEYS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_within(
    request: pytest.FixtureRequest,
    backend: str,
    attempt: Attempt,
    record_property: Callable[[str, object], None],
) -> None:
    if backend == "docker":
        request.getfixturevalue("engine")
    found = campaign(backend)
    if found.missing:
        if backend == "bubblewrap":
            pytest.fail(found.missing)
        pytest.skip(found.missing)
    assert attempt.key in found.results, found.failed
    result = found.results[attempt.key]
    if result.skipped:
        pytest.skip(result.skipped)
    possible = campaign(CONTROL).results[attempt.key].escaped
    out = result.escaped or bool(result.harm)
    kind = "stated" if out and backend in attempt.residual else "ESCAPED" if out else "held"
    shown = ("control",) if possible else ()
    record_property("attempt", (backend, attempt.group, "tried", kind, *shown))
    assert result.ran, result
    if backend in attempt.residual and possible:
        assert result.escaped, f"stated as possible, but it is not: {result}"
    else:
        assert not result.escaped, result
        assert not result.harm, result
