"""What kind of model a name stands for here."""

import re
from collections.abc import Iterator
from typing import Literal

from agent.models.names import aliases, full, meant
from agent.models.open import endpoints
from assistant.config import Config
from assistant.models.library import Library
from assistant.models.presets import presets
from sandbox.refused import Refused
from training.registry import Registry

Kind = Literal["student", "version", "file", "cloud", "endpoint", "path", "preset"]

_RESERVED = re.compile(r"student|reference|claude.*|(chat)?gpt-.*|o\d.*")


def kind(config: Config, name: str) -> Kind:
    """What `name` is; a preset only where no file of that name is here yet.

    Raises:
        Refused: nothing; the sentence says what was meant.
    """
    if name == "student":
        return "student"
    if Library(config.home).find(name):
        return "file"
    if any(version.id == name for version in Registry(config.home).list()):
        return "version"
    provider, colon, model = full(name).partition(":")
    if model and provider in ("anthropic", "openai"):
        return "cloud"
    if model and provider == "local":
        return "path"
    if model and provider in endpoints(config.models):
        return "endpoint"
    if name in presets():
        return "preset"
    raise Refused(f"There is no model '{name}': {_hint(config, provider if colon else name)}")


def check_new(config: Config, name: str) -> None:
    """See that a file may have this name.

    Raises:
        Refused: it stands for something else.
    """
    versions = {version.id for version in Registry(config.home).list()}
    taken = {*aliases(), *endpoints(config.models), *versions}
    if _RESERVED.fullmatch(name) or name in taken:
        raise Refused(f"'{name}' stands for another model: choose another name with --name.")


def _hint(config: Config, name: str) -> str:
    """What was meant, or else where to look."""
    places = ("anthropic", "openai", "local", *endpoints(config.models))
    close = meant(name, (*_all(config), *places))
    if not close:
        return "use claude, or see `assistant models`."
    if close not in places:
        return f"did you mean '{close}'?"
    return f"write {close}:PATH." if close == "local" else f"write {close}:MODEL."


def _all(config: Config) -> Iterator[str]:
    yield from aliases()
    yield "student"
    yield from (entry.name for entry in Library(config.home).list())
    yield from (version.id for version in Registry(config.home).list())
    yield from presets()
