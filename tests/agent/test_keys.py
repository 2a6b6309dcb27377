"""Keys: the environment before the keyring, nothing without one, and never shown."""

import logging
import traceback
from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError

from agent.keys import Key, forget, keep, key
from agent.message import user
from agent.model import ModelError, answer
from agent.models.open import OpenModel, open_model
from agent.models.settings import Endpoint, ModelSettings
from sandbox.refused import Refused
from tests.servers import anthropic_server, openai_server
from tests.servers.model_server import Fault, ModelServer, Reply

SECRET = "sk-very-secret-0123456789"
NAME = "ASSISTANT_TEST_KEY"


class InMemory(KeyringBackend):
    """A keyring as a system offers one."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("not unlocked")
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.held.pop((service, username), None) is None:
            raise PasswordDeleteError("there is none")


@pytest.fixture
def backend() -> Iterator[InMemory]:
    before, ours = keyring.get_keyring(), InMemory()
    keyring.set_keyring(ours)
    yield ours
    keyring.set_keyring(before)


def test_a_key_is_kept_found_and_forgotten(
    backend: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key(NAME) == ""
    keep(NAME, f" {SECRET}\n")
    assert backend.held == {("assistant", NAME): SECRET}
    assert key(NAME) == SECRET
    monkeypatch.setenv(NAME, "sk-other")
    assert key(NAME) == "sk-other"
    monkeypatch.delenv(NAME)
    with pytest.raises(Refused, match="holds spaces or odd characters"):
        keep(NAME, "two words")
    assert key(NAME) == SECRET
    assert forget(NAME)
    assert not forget(NAME)
    assert key(NAME) == ""


@pytest.mark.parametrize("kind", [fail.Keyring, null.Keyring])
def test_without_a_keyring_there_is_the_environment(
    backend: InMemory, kind: type[KeyringBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.set_keyring(kind())
    assert key(NAME) == ""
    with pytest.raises(Refused, match=f"set the environment variable {NAME}") as refused:
        keep(NAME, SECRET)
    assert SECRET not in str(refused.value)
    monkeypatch.setenv(NAME, SECRET)
    assert key(NAME) == SECRET


def test_a_locked_keyring_is_none(backend: InMemory) -> None:
    backend.locked = True
    assert key(NAME) == ""
    with pytest.raises(Refused, match=r"No keyring can be used here \(KeyringLocked\)"):
        forget(NAME)


@pytest.mark.parametrize("odd", ["a b", "schlüssel", "a\nb", "a\x00"])
def test_a_key_that_fits_into_no_header_is_refused_without_showing_it(
    backend: InMemory, odd: str
) -> None:
    backend.held["assistant", NAME] = odd
    with pytest.raises(Refused, match=f"The key in {NAME} holds") as refused:
        key(NAME)
    assert odd not in str(refused.value)


@pytest.mark.parametrize("spec", ["anthropic:claude-x", "openai:gpt-x"])
async def test_it_is_shown_nowhere(
    spec: str, backend: InMemory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # As a server sends it back, and in all that is logged on the way.
    caplog.set_level(logging.DEBUG)
    backend.held["assistant", NAME] = SECRET
    body = {"error": {"message": f"Incorrect API key provided: {SECRET}"}}
    anthropic = spec.startswith("anthropic")
    play = anthropic_server if anthropic else openai_server
    faults = {0: Fault("status", 401, body=body), 1: Fault("status", 403, body=body)}
    with ModelServer(play.events, [Reply("Hi.")], faults) as server:
        base = server.url + ("" if anthropic else "/v1")
        own = {spec.partition(":")[0]: Endpoint(base, NAME)}
        model = open_model(spec, ModelSettings(endpoints=own))
        shown = [repr(model), await failing(model), await failing(model)]
        assert (await answer(model, [user("x")], [])).stop == "end"
        await model.close()
        sent = [{name.lower(): value for name, value in h.items()} for h in server.headers]
    assert SECRET in (sent[0].get("x-api-key") or sent[0]["authorization"])
    assert SECRET not in "".join(shown)
    assert SECRET not in caplog.text
    assert caplog.text


async def failing(model: OpenModel) -> str:
    """A traceback with the variables of all frames, as crash reports have them."""
    with pytest.raises(ModelError, match=r"…|401") as failed:
        await answer(model, [user("x")], [])
    ours = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
    return "".join(ours.format())


def test_a_key_masks_itself() -> None:
    assert repr(Key(SECRET)) == "'…'"
    assert f"Bearer {Key(SECRET)}" == f"Bearer {SECRET}"
