"""Who drives: opens the model that a name means, and keeps the student up to date."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from agent.model import Model
from agent.models.llama import LlamaModel
from agent.models.llama_state import States
from agent.models.open import OpenModel, open_model
from agent.models.settings import ModelSettings
from agent.task import Task
from assistant.config import Config
from assistant.models.known import kind
from assistant.models.library import Library
from assistant.student import make, require_parts
from distillation.reference import reference_teacher
from sandbox.refused import Refused
from training.registry import Registry, Weights
from training.version import ModelVersion

UNTRAINED = (
    "This student is untrained and cannot help yet: teach it with `assistant collect` and "
    "`assistant retrain`, or use a real model, e.g. --model claude with ANTHROPIC_API_KEY set."
)

SMALL = (
    "This student is small: it repairs little Python programs whose tests fail, offline. For more, "
    "get a bigger model with `assistant models pull`, or use one with a key, e.g. --model claude."
)

SAMPLED = 0.8
"""The temperature at which a student teaches itself, where none is set."""

Say = Callable[[str], None]
"""Shows one line to the user."""


class Driver(Protocol):
    """A model in the driver's seat of a chat."""

    @property
    def model(self) -> OpenModel:
        """It."""
        ...

    @property
    def label(self) -> str:
        """What the status line calls it."""
        ...

    async def follow(self) -> str | None:
        """Take a newer version over if there is one; the line that says so."""
        ...


@dataclass
class Fixed:
    """A model that nothing ever replaces."""

    model: OpenModel

    @property
    def label(self) -> str:
        """The model's name."""
        return self.model.name

    async def follow(self) -> str | None:
        """There is nothing to follow."""
        return None


@dataclass
class Student:
    """The registry's active version, in llama.cpp."""

    model: LlamaModel
    registry: Registry
    version: ModelVersion

    @property
    def label(self) -> str:
        """The version, and whether it ever learnt anything."""
        name = "student" if self.version.id == "student" else f"student {self.version.id}"
        return name + (" (untrained)" if self.version.is_untrained else "")

    async def follow(self) -> str | None:
        """Swap the active version in if it is another one than before.

        Raises:
            Refused: the active version is damaged; the old one stays.
        """
        id = self.registry.active_id()
        if id is None or id == self.version.id:
            return None
        version = self.registry.version(id)
        weights = self.registry.weights(version)
        swap = self.model.swap
        seconds = await asyncio.to_thread(swap, weights.gguf, weights.adapter, name=id)
        self.version = version
        return f"the student is now version {version.id} (swapped in {1000 * seconds:.1f} ms)"


async def open_driver(config: Config, spec: str, say: Say) -> Driver:
    """Open what `spec` names; `student` is made first if there is none yet.

    Raises:
        Refused: there is no such model, or it cannot be opened.
    """
    if spec == "reference":
        raise Refused("The reference teacher only drives tasks: use it with `assistant collect`.")
    if spec != "student":
        # Opening a local model reads gigabytes; the prompt stays alive meanwhile.
        opened = await asyncio.to_thread(open_named, config, spec)
        if isinstance(opened, LlamaModel):
            _settle(opened, config, say)
        return Fixed(opened)
    require_parts()
    registry = Registry(config.home)
    version = registry.active()
    if version is None:
        say("There is no student yet; making the first one, which takes some seconds.")
        version = await asyncio.to_thread(make, registry)
    if version.is_base:
        say(UNTRAINED if version.is_untrained else SMALL)
    weights = registry.weights(version)
    model = await asyncio.to_thread(open_weights, weights, config.models)
    _settle(model, config, say)
    return Student(model, registry, version)


def open_named(config: Config, spec: str) -> OpenModel:
    """Open a model by its name: a version of the student, a file of the library, or any other.

    Raises:
        Refused: there is no such model, or it cannot be opened.
    """
    what, registry = kind(config, spec), Registry(config.home)
    if what == "preset":
        raise Refused(f"'{spec}' is not here yet: `assistant models pull {spec}` fetches it.")
    if what == "version":
        return open_weights(registry.weights(registry.version(spec)), config.models)
    return open_model(spec, config.models, Library(config.home).paths())


def _settle(model: LlamaModel, config: Config, say: Say) -> None:
    """Let a local model find what it computed before; tell what is odd about it."""
    model.states = States(config.home / "cache" / "states")
    if model.note:
        say(model.note)


def open_weights(weights: Weights, settings: ModelSettings) -> LlamaModel:
    """Load a version of the student.

    Raises:
        Refused: a file cannot be loaded.
    """
    return LlamaModel(weights.gguf, weights.adapter, settings=settings, name=weights.version)


def teacher_of(config: Config, spec: str) -> Callable[[Task], Model]:
    """What drives each task of a collection: the reference teacher, or one shared model.

    Raises:
        Refused: there is no such model.
    """
    if spec == "reference":
        return reference_teacher
    model = _own_teacher(config) if spec == "student" else open_named(config, spec)
    return lambda task: model


def _own_teacher(config: Config) -> LlamaModel:
    """The student, which learns from what it got right itself: so it must not always do the same.

    Raises:
        Refused: there is no student, or it cannot be loaded.
    """
    require_parts()
    registry = Registry(config.home)
    version = registry.active() or make(registry)
    hot, seed = config.models.temperature, config.models.seed
    settings = replace(
        config.models,
        temperature=SAMPLED if hot is None else hot,
        # A later run must not try again what an earlier one tried.
        seed=seed or secrets.randbelow(2**31),
    )
    return open_weights(registry.weights(version), settings)
