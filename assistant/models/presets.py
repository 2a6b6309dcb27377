"""Models worth having, by short names; the list is data."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PRESETS = Path(__file__).with_name("presets.toml")


@dataclass(frozen=True)
class Preset:
    """A file on the hub, and what it takes."""

    repo: str
    file: str
    about: str
    size: float
    """GB on disk."""
    memory: float
    """GB while it runs, with a context of 16,384 tokens."""


@cache
def presets() -> dict[str, Preset]:
    """By name, small ones first within a family."""
    tables = tomllib.loads(PRESETS.read_text(encoding="utf-8"))
    return {name: Preset(**table) for name, table in tables.items()}
