"""Keys of providers: from the environment, or else from the system's keyring. Never from a file."""

import os
from types import ModuleType

from sandbox.refused import Refused

SERVICE = "assistant"
"""Under which the keyring holds them, each by the name of its environment variable."""


class Key(str):
    """A key that is masked where objects are shown, as in tracebacks with their variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        """A mask."""
        return "'…'"


def key(variable: str) -> Key:
    """The key that belongs to an environment variable; an empty one where there is none.

    The environment comes first. Without a keyring, or with one that is locked, there is only that.

    Raises:
        Refused: it holds what no header of a request may hold.
    """
    found = os.environ.get(variable, "").strip() or _kept(variable)
    return _sound(found, variable)


def keep(variable: str, value: str) -> None:
    """Put a key into the keyring.

    Raises:
        Refused: it is no key, there is no keyring that can be used, or it did not take the key.
    """
    value = _sound(value.strip(), variable)
    try:
        keyring = _keyring()
        # As a plain text: not every keyring takes more than that.
        keyring.set_password(SERVICE, variable, str(value))
        taken = keyring.get_password(SERVICE, variable) == value
    except Exception as error:
        raise _unusable(variable, error) from error
    if not taken:
        raise Refused(f"The keyring does not keep keys: set the environment variable {variable}.")


def forget(variable: str) -> bool:
    """Take a key out of the keyring; whether there was one.

    Raises:
        Refused: there is no keyring that can be used.
    """
    try:
        keyring = _keyring()
        if keyring.get_password(SERVICE, variable) is None:
            return False
        keyring.delete_password(SERVICE, variable)
    except Exception as error:
        raise _unusable(variable, error) from error
    return True


def _sound(found: str, variable: str) -> Key:
    if not (found.isascii() and found.isprintable()) or " " in found:
        raise Refused(f"The key in {variable} holds spaces or odd characters: set it again.")
    return Key(found)


def _kept(variable: str) -> str:
    try:
        return (_keyring().get_password(SERVICE, variable) or "").strip()
    except Exception:  # noqa: BLE001 - of many libraries; without a keyring no key is in it
        return ""


def _keyring() -> ModuleType:
    import keyring

    return keyring


def _unusable(variable: str, error: Exception) -> Refused:
    reason = "the package keyring is not installed" if isinstance(error, ImportError) else ""
    name = type(error).__name__
    reason = reason or ("none runs here" if name == "NoKeyringError" else name)
    return Refused(
        f"No keyring can be used here ({reason}): set the environment variable {variable} instead."
    )
