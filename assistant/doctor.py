"""Every part of the installation: whether it works, and what to do where it does not."""

import importlib.metadata
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.keys import key
from assistant.config import Config
from assistant.student import PARTS
from assistant.terms import NAMES
from sandbox.backend import AUTOMATIC, BACKENDS
from sandbox.choice import Choice
from sandbox.interpreter import ripgrep
from sandbox.network import Network
from sandbox.refused import Refused
from sandbox.sandbox import SandboxBroken
from tools.engines import engine_of
from training.registry import Registry

State = Literal["ok", "missing", "broken"]

TRAINING = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
WEB = ("trafilatura", "ddgs")
KEYS = {"ANTHROPIC_API_KEY": "anthropic", "OPENAI_API_KEY": "openai"}
ROOM = 2.0
"""Gigabytes below which there is too little for a training run."""


@dataclass(frozen=True)
class Finding:
    """One part."""

    part: str
    state: State
    about: str
    """Version, place, or what is wrong. Never a secret."""
    mend: str = ""
    needed: bool = True
    """Without it the assistant does not work at all."""

    @property
    def failed(self) -> bool:
        """Whether this is why the doctor is not content."""
        return self.needed and self.state != "ok"


async def examine(config: Config) -> list[Finding]:
    """Look at every part; nothing is changed but for a temporary file in the home."""
    return [
        _python(),
        *await _sandboxes(config),
        _ripgrep(),
        _libraries("llama.cpp", PARTS, "local", needed=False),
        _student(config),
        _libraries("training", TRAINING, "train", needed=False),
        _libraries("web", WEB, "web", needed=False),
        _network(config),
        *(_key(name) for name in KEYS),
        _home(config.home),
        _room(config.home),
    ]


async def _sandboxes(config: Config) -> list[Finding]:
    """Each backend by a command that ran in it, after the one that sessions use."""
    choice = config.sandbox.choice
    each = {name: await _backend(name, choice) for name in AUTOMATIC}
    wanted = (choice.backend,) if choice.backend else AUTOMATIC
    used = next((name for name in wanted if each[name].state == "ok"), None)
    if used is None:
        return [Finding("sandbox", "broken", each[wanted[0]].about), *each.values()]
    how = "as set" if choice.backend else "the first that works"
    return [Finding("sandbox", "ok", f"{NAMES.get(used, used)}, {how}"), *each.values()]


async def _backend(name: str, choice: Choice) -> Finding:
    backend = BACKENDS[name]
    try:
        problem = await backend.canary(choice)
        about = problem or backend.describe()
    except (Refused, SandboxBroken) as error:
        problem = about = str(error)
    return Finding(f"  {name}", "missing" if problem else "ok", about, needed=False)


def _network(config: Config) -> Finding:
    allowed, search = config.network.allow, config.web.search
    about = f"allowed: {', '.join(allowed)}" if allowed else "off (assistant --allow DOMAIN)"
    try:
        Network.allowing(allowed)
        engine_of(search)
    except Refused as refusal:
        return Finding("network", "broken", str(refusal), "correct config.toml", needed=False)
    return Finding("network", "ok", about + (f", search: {search}" if search else ""))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", f"{version}, {sys.executable}")


def _ripgrep() -> Finding:
    found = ripgrep()
    if found is None:
        return Finding("ripgrep", "missing", "no rg", "pip install ripgrep==14.1.0", needed=False)
    return Finding("ripgrep", "ok", str(found))


def _libraries(part: str, modules: tuple[str, ...], extra: str, *, needed: bool) -> Finding:
    """Only looked up, not imported: torch alone would take seconds."""
    names = {"llama_cpp": "llama-cpp-python"}
    versions = {module: _version(names.get(module, module)) for module in modules}
    missing = [module for module, version in versions.items() if version is None]
    if missing:
        mend = f'pip install "assistant[{extra}]" (in a checkout: make {_target(extra)})'
        return Finding(part, "missing", f"no {', '.join(missing)}", mend, needed)
    return Finding(part, "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _target(extra: str) -> str:
    return {"local": "run", "train": "train", "web": "run"}[extra]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _student(config: Config) -> Finding:
    try:
        version = Registry(config.home).active()
    except Refused as refusal:
        return Finding("student", "broken", str(refusal), "assistant models rollback", needed=False)
    if version is None:
        return Finding("student", "missing", "none yet", "assistant student init", needed=False)
    return Finding("student", "ok", version.id + (", untrained" if version.is_untrained else ""))


def _key(name: str) -> Finding:
    """Whether it is there; never what it is."""
    try:
        found = key(name)
    except Refused as refusal:
        return Finding(name, "broken", str(refusal), f"export {name}=…", needed=False)
    if not found:
        mend = f"export {name}=…, or assistant models key {KEYS[name]}"
        return Finding(name, "missing", "is not set", mend, needed=False)
    place = "is set" if os.environ.get(name, "").strip() else "is in the keyring"
    return Finding(name, "ok", place)


def _home(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return Finding("home", "ok", str(home))
    except OSError as error:
        return Finding("home", "broken", f"{home}: {error.strerror}", "set ASSISTANT_HOME")


def _room(home: Path) -> Finding:
    there = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    if free < ROOM:
        return Finding("disk", "broken", f"{free:.1f} GB free", f"free {ROOM:.0f} GB", needed=False)
    return Finding("disk", "ok", f"{free:.0f} GB free")
