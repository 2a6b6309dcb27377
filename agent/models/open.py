"""Models by name: what `--teacher claude` or `model = "local:student.gguf"` means."""

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from agent.keys import key
from agent.model import Model
from agent.models.anthropic import ANTHROPIC, AnthropicModel
from agent.models.llama import LlamaModel
from agent.models.names import aliases, full, local_endpoints, meant
from agent.models.openai import OPENAI, OpenAIModel, is_openai
from agent.models.reexports import lazily
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from sandbox.refused import Refused

PROVIDERS = {"anthropic": ANTHROPIC, "openai": OPENAI}


class OpenModel(Model, Protocol):
    """A model that holds something: whoever opened it closes it."""

    async def close(self) -> None:
        """Let go of connections or memory; the model cannot be used afterwards."""
        ...


def open_model(
    spec: str,
    settings: ModelSettings | None = None,
    files: Mapping[str, Path] = MappingProxyType({}),
) -> OpenModel:
    """Open a model by its name. Nothing is sent yet; a local model is loaded.

    Args:
        spec: an alias, a full name such as `claude-opus-5-5` or `gpt-6.1-sol`, the same with its
            provider before it, `<endpoint>:<model>` for an endpoint of the settings or of
            aliases.toml, a name of `files`, or `local:<path of a GGUF file>`.
        settings: how to reach it.
        files: GGUF files that have names of their own.

    Raises:
        Refused: the name is unknown, its key is missing, or the file cannot be loaded.
    """
    settings = settings or ModelSettings()
    if spec in files:
        return LlamaModel(files[spec], settings=settings, name=spec)
    spec = full(spec)
    provider, _, model = spec.partition(":")
    if not model:
        raise Refused(f"There is no model {spec!r}: {_mend(spec, settings, files)}.")
    if provider == "anthropic":
        endpoint = provided(provider, settings)
        return AnthropicModel(model, _key(spec, endpoint.api_key_env), settings, endpoint)
    if provider == "openai":
        return _behind(spec, provided(provider, settings), settings)
    if provider == "local":
        return LlamaModel(Path(model).expanduser(), settings=settings)
    if endpoint := endpoints(settings).get(provider):
        return _behind(spec, endpoint, settings)
    raise Refused(
        f"There is no provider {provider!r} for {spec!r}: {_mend(provider, settings, files)}."
    )


def load_library(spec: str) -> None:
    """Import what drives a model of this name, which takes up to a second; names may be wrong."""
    provider, _, model = full(spec).partition(":")
    if provider == "anthropic":
        importlib.import_module("anthropic")
    elif model and provider != "local":
        with lazily("openai.types"):
            importlib.import_module("openai")


def endpoints(settings: ModelSettings) -> dict[str, Endpoint]:
    """Endpoints by name: the usual ones, and further ones of the settings, which come first."""
    further = {name: e for name, e in settings.endpoints.items() if name not in PROVIDERS}
    return local_endpoints() | further


def provided(provider: str, settings: ModelSettings) -> Endpoint:
    """A provider's own endpoint, or what the settings or the environment put in its place."""
    own = PROVIDERS[provider]
    base = os.environ.get(f"{provider.upper()}_BASE_URL") or own.base_url
    endpoint = settings.endpoints.get(provider, Endpoint(base))
    return replace(
        endpoint,
        api_key_env=endpoint.api_key_env or own.api_key_env,
        responses=endpoint.responses or is_openai(endpoint.base_url),
    )


def _behind(spec: str, endpoint: Endpoint, settings: ModelSettings) -> OpenAIModel:
    """A model behind an endpoint, through the better one of the two protocols it speaks."""
    kind = ResponsesModel if endpoint.responses else OpenAIModel
    return kind(spec, endpoint, _key(spec, endpoint.api_key_env), settings)


def _key(spec: str, variable: str) -> str:
    found = key(variable) if variable else ""
    if variable and not found:
        provider = spec.partition(":")[0]
        raise Refused(
            f"There is no key for {spec}: set the environment variable {variable}, or run "
            f"`assistant models key {provider}`."
        )
    return found


def _mend(name: str, settings: ModelSettings, files: Mapping[str, Path]) -> str:
    """What was meant, or else what there is."""
    providers = ("anthropic", "openai", "local", *endpoints(settings))
    if close := meant(name, (*aliases(), *files, "student", *providers)):
        return f"did you mean '{close}{':…' if close in providers else ''}'"
    names = ", ".join(aliases())
    further = ", ".join(f"{name}:…" for name in endpoints(settings))
    return f"use {names}, or anthropic:…, openai:…, {further}, local:PATH"
