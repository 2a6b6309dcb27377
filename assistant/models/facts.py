"""Everything that is known of one model, as pairs of a label and a value."""

import importlib.util
from pathlib import Path

from agent.formats import format_of
from agent.models.gguf import GgufHeader
from agent.models.names import full
from agent.models.open import endpoints, provided
from agent.prices import window
from assistant.config import Config
from assistant.models.cloud import key_state, price
from assistant.models.endpoints import ask
from assistant.models.known import kind
from assistant.models.library import Library
from assistant.models.memory import available, needed
from assistant.models.presets import presets
from assistant.models.table import size
from sandbox.refused import Refused
from training.registry import Registry
from training.scorecard import Scorecard

Facts = dict[str, str]


def facts(config: Config, name: str) -> Facts:
    """What is known of a model.

    Raises:
        Refused: there is none of this name, or its files are damaged.
    """
    what = kind(config, name)
    found: Facts = {"name": name}
    if what in ("student", "version"):
        return found | _version(config, name)
    if what == "file":
        return found | _file(config, name)
    if what == "path":
        path = Path(name.partition(":")[2]).expanduser()
        return found | {"file": str(path)} | _gguf(config, path)
    if what == "cloud":
        return found | _cloud(config, name)
    if what == "endpoint":
        return found | _endpoint(config, name)
    preset = presets()[name]
    return found | {
        "kind": f"not here yet: `assistant models pull {name}`",
        "about": preset.about,
        "source": f"{preset.repo}:{preset.file}",
        "size": f"about {preset.size:.1f} GB",
        "memory": f"about {preset.memory:.1f} GB" + _free(),
    }


def _version(config: Config, name: str) -> Facts:
    registry = Registry(config.home)
    id = (registry.active_id() or "") if name == "student" else name
    if not id:
        raise Refused("There is no student yet: `assistant student init` makes one.")
    version = registry.version(id)
    weights = registry.weights(version)
    active = " (active)" if registry.active_id() == id else ""
    found = {"kind": f"version of the student{active}", "version": id, "origin": version.origin}
    found |= {"file": str(weights.gguf)} | _gguf(config, weights.gguf)
    if weights.adapter:
        found["adapter"] = f"{weights.adapter} ({size(weights.adapter.stat().st_size)})"
    cards = sorted((registry.path(id) / "scores").glob("*.json"), key=lambda p: p.stat().st_mtime)
    if cards:
        found["scorecard"] = f"{Scorecard.read(cards[-1])} of held-out tasks"
    return found


def _file(config: Config, name: str) -> Facts:
    library = Library(config.home)
    entry = library.find(name)
    assert entry is not None  # noqa: S101 - its kind says so
    path = library.path(name)
    found = {"kind": "file", "file": str(path), "source": entry.source}
    found |= _gguf(config, path) | {"sha256": entry.sha256}
    if entry.licence:
        found["licence"] = entry.licence
    return found


def _gguf(config: Config, path: Path) -> Facts:
    header, bytes = GgufHeader.read(path), path.stat().st_size
    tokens = config.models.context or min(header.context or 16_384, 16_384)
    count = f"{header.parameters / 1e6:,.1f} million parameters"
    parts = (header.quantisation, count, size(bytes))
    form = config.models.tool_format or (format_of(header.template) if header.template else "none")
    found = {
        "architecture": header.architecture or "not said",
        "size": ", ".join(part for part in parts if part),
        "context": f"{header.context:,} tokens trained, {tokens:,} used",
        "tool calls": form,
        "licence": header.text("general.license") or "not said",
        "memory": size(needed(header, bytes, config.models.context)) + _free(),
    }
    if note := _note(header.template):
        found["note"] = note
    return found


def _note(template: str) -> str:
    """What should be known of a chat template; empty where nothing can render one."""
    if importlib.util.find_spec("jinja2") is None:
        return ""
    from agent.preserving import preserving  # noqa: PLC0415 - Jinja comes with the extra

    return preserving(template).note


def _free() -> str:
    free = available()
    return "" if free is None else f", {size(free)} free"


def _cloud(config: Config, name: str) -> Facts:
    model = full(name)
    provider, _, id = model.partition(":")
    key = provided(provider, config.models).api_key_env
    tokens = window(id, provider=provider)
    return {
        "kind": "cloud",
        "model": model,
        "key": key_state(key),
        "price": f"{price(model)}, for a million tokens",
        "context": f"{tokens:,} tokens" if tokens else "not known",
    }


def _endpoint(config: Config, name: str) -> Facts:
    provider, _, model = name.partition(":")
    endpoint = endpoints(config.models)[provider]
    (served,) = ask({provider: endpoint})
    state = served.problem or ("answers" if model in served.models else "answers, without it")
    return {"kind": "endpoint", "address": endpoint.base_url, "state": state}
