"""What a model's name means: aliases, full names without their provider, and what was meant."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import cast

from agent.models.settings import Endpoint

ALIASES = Path(__file__).with_name("aliases.toml")

# With a number in it: `claude-opis` is an alias that was misspelt, and no model.
_FULL = {
    "anthropic": re.compile(r"claude-.*\d"),
    "openai": re.compile(r"(chat)?gpt-.*\d|o\d"),
}


def full(name: str) -> str:
    """The name with its provider; itself where it has one already, or where none is known."""
    name = aliases().get(name, name)
    if ":" not in name:
        for provider, form in _FULL.items():
            if form.match(name):
                return f"{provider}:{name}"
    return name


def meant(name: str, names: Iterable[str]) -> str:
    """The one of `names` that is nearest to a wrong name; empty where none is near."""
    return next(iter(difflib.get_close_matches(name, list(names), 1, 0.6)), "")


def aliases() -> dict[str, str]:
    """The short names and what they stand for."""
    return dict(_table("aliases"))


def local_endpoints() -> dict[str, Endpoint]:
    """Servers that are usually found on one's own machine."""
    return {name: Endpoint(url) for name, url in _table("endpoints").items()}


@cache
def _table(name: str) -> dict[str, str]:
    return cast("dict[str, str]", tomllib.loads(ALIASES.read_text(encoding="utf-8"))[name])
