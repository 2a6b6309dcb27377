"""The numbers of a training run."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from sandbox.refused import Refused

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear layers of a decoder block. An adapter elsewhere does not survive the converter."""


@dataclass(frozen=True)
class Recipe:
    """How an adapter is trained. Two equal recipes on the same data give the same run."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = LINEAR
    nf4: bool = True
    """Hold the frozen base in 4 bits while training (QLoRA)."""
    learning_rate: float = 5e-4
    warmup: float = 0.05
    """Share of the steps."""
    epochs: float = 3.0
    steps: int = 0
    """Optimiser steps; 0 means as many as `epochs` ask for."""
    batch: int = 4
    """Rows an optimiser step."""
    max_length: int = 8192
    """Tokens. Longer rows, and those longer than the base's context, are dropped, never cut."""
    eval_share: float = 0.1
    """Share of the rows, at least one, that measure the loss instead of being trained on."""
    evaluations: int = 10
    """How often in a run the loss is measured and a checkpoint written."""
    seed: int = 0

    @property
    def hash(self) -> str:
        """SHA-256 of all fields, hex."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @staticmethod
    def load(path: Path | None = None, overrides: Mapping[str, object] | None = None) -> "Recipe":
        """The defaults, then a TOML file, then overrides.

        Raises:
            Refused: the file is missing or no TOML, or a name or value is not a recipe's.
        """
        recipe = Recipe()
        if path is not None:
            recipe = recipe.changed(_read(path), str(path))
        return recipe.changed(overrides or {}, "the recipe")

    def changed(self, values: Mapping[str, object], source: str) -> "Recipe":
        """This recipe with other values; `source` names where they come from.

        Raises:
            Refused: a name or value is not a recipe's.
        """
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        typed: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise Refused(f"{source} has no number '{name}': there are {', '.join(known)}.")
            typed[name] = _typed(value, known[name], f"{source}: '{name}'")
        recipe = replace(self, **typed)
        recipe._check(source)
        return recipe

    def _check(self, source: str) -> None:
        wrong = {
            "targets": not self.targets or not set(self.targets) <= set(LINEAR),
            "rank": self.rank < 1,
            "batch": self.batch < 1,
            "max_length": self.max_length < 16,
            "learning_rate": not 0 < self.learning_rate < 1,
            "eval_share": not 0 < self.eval_share < 1,
            "evaluations": self.evaluations < 1,
            "epochs": self.epochs <= 0,
            "steps": self.steps < 0,
            "dropout": not 0 <= self.dropout < 1,
            "warmup": not 0 <= self.warmup < 1,
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                hint = f" (known layers: {', '.join(LINEAR)})" if name == "targets" else ""
                value = getattr(self, name)
                raise Refused(f"{source}: '{name}' cannot be {value!r}{hint}: change it.")


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"The recipe {path} cannot be read ({error}): mend or remove it.") from error


def _typed(value: object, default: object, where: str) -> object:
    """The value as the type of the default; texts are read as a command line would mean them."""
    kind: Any = type(default)
    try:
        if isinstance(default, bool):
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value)]
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else cast("list[object]", value)
            return tuple(str(part).strip() for part in parts)
        return kind(str(value))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{where} cannot be {value!r}: write a {kind.__name__}.") from error
