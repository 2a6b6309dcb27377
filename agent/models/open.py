"""Models by name: what `--teacher claude` or `model = "local:student.gguf"` means."""

import importlib
import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from agent.model import Model
from agent.models.anthropic import AnthropicModel
from agent.models.llama import LlamaModel
from agent.models.openai import OPENAI, OpenAIModel, is_openai
from agent.models.reexports import lazily
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from sandbox.refused import Refused

ALIASES = Path(__file__).with_name("aliases.toml")


class OpenModel(Model, Protocol):
    """A model that holds something: whoever opened it closes it."""

    async def close(self) -> None:
        """Let go of connections or memory; the model cannot be used afterwards."""
        ...


def open_model(spec: str, settings: ModelSettings | None = None) -> OpenModel:
    """Open a model by its name. Nothing is sent yet; a local model is loaded.

    Args:
        spec: an alias, or `anthropic:<model>`, `openai:<model>`, `<endpoint>:<model>` for an
            endpoint of the settings or of aliases.toml, or `local:<path of a GGUF file>`.
        settings: how to reach it.

    Raises:
        Refused: the name is unknown, its key is missing, or the file cannot be loaded.
    """
    settings = settings or ModelSettings()
    spec = aliases().get(spec, spec)
    provider, _, model = spec.partition(":")
    if not model:
        raise Refused(f"There is no model {spec!r}: {_possible(settings)}.")
    if provider == "anthropic":
        base = settings.base_url or os.environ.get("ANTHROPIC_BASE_URL")
        key = _key(spec, settings.api_key_env or "ANTHROPIC_API_KEY")
        return AnthropicModel(model, key, replace(settings, base_url=base))
    if provider == "openai":
        return _behind(spec, _openai(settings), settings)
    if provider == "local":
        return LlamaModel(Path(model).expanduser(), settings=settings)
    if endpoint := (_local_endpoints() | dict(settings.endpoints)).get(provider):
        return _behind(spec, endpoint, settings)
    raise Refused(f"There is no provider {provider!r} for {spec!r}: {_possible(settings)}.")


def load_library(spec: str) -> None:
    """Import what drives a model of this name, which takes up to a second; names may be wrong."""
    provider = aliases().get(spec, spec).partition(":")[0]
    if provider == "anthropic":
        importlib.import_module("anthropic")
    elif provider not in ("student", "local", "reference"):
        with lazily("openai.types"):
            importlib.import_module("openai")


def aliases() -> dict[str, str]:
    """The short names and what they stand for."""
    return cast("dict[str, str]", tomllib.loads(ALIASES.read_text(encoding="utf-8"))["aliases"])


def _local_endpoints() -> dict[str, Endpoint]:
    table = tomllib.loads(ALIASES.read_text(encoding="utf-8"))["endpoints"]
    return {name: Endpoint(url) for name, url in cast("dict[str, str]", table).items()}


def _openai(settings: ModelSettings) -> Endpoint:
    """OpenAI's own endpoint, or what the settings or the environment put in its place."""
    base = settings.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI.base_url
    return Endpoint(base, settings.api_key_env or OPENAI.api_key_env, is_openai(base))


def _behind(spec: str, endpoint: Endpoint, settings: ModelSettings) -> OpenAIModel:
    """A model behind an endpoint, through the better one of the two protocols it speaks."""
    kind = ResponsesModel if endpoint.responses else OpenAIModel
    return kind(spec, endpoint, _key(spec, endpoint.api_key_env), settings)


def _key(spec: str, variable: str) -> str:
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise Refused(f"There is no key for {spec}: set the environment variable {variable}.")
    return key


def _possible(settings: ModelSettings) -> str:
    names = ", ".join(aliases())
    endpoints = ", ".join(f"{name}:…" for name in _local_endpoints() | dict(settings.endpoints))
    return f"use {names}, or anthropic:…, openai:…, {endpoints}, local:PATH"
