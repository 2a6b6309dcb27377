"""Where a local model runs: its threads, its layers on a GPU, the length of its context."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.models.settings import ModelSettings

ALL = -1
"""Every layer, as llama.cpp writes it."""
_SMALL = 100_000_000
"""Parameters below which threads wait for each other longer than they work; on a busy machine
twenty times as long."""
_FEW = 4
"""Processors up to which all are used; on larger machines twin threads of one core, which share
its arithmetic units, only get in each other's way."""
MOST = 16_384
"""The context that is taken by default from a model trained for more: memory grows with it."""
_LEAST, _STEP = 2048, 256
"""The shortest context that is chosen, and what it is a multiple of."""
_SYSTEM, _GROUPS = Path("/sys/devices/system/cpu"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Placement:
    """How a model was opened."""

    threads: int
    flash: bool
    """Attention in one fused step where llama.cpp can, else in several."""
    gpu_layers: int
    """Layers asked onto a GPU; -1 is all of them, 0 where this build of llama.cpp knows no GPU."""
    context: int
    """Tokens."""
    trained: int
    """The context that the model was trained for, in tokens."""
    weights: int
    """Bytes."""
    cache: int
    """Bytes of keys and values for the whole context, at 16 bits a number."""


@dataclass(frozen=True)
class Machine:
    """What is there for a model."""

    processors: int
    """That this process may use."""
    cores: int
    """Of these, without twin threads."""
    memory: int | None
    """Bytes that are free, or that a container leaves; None where the system does not tell."""

    @staticmethod
    def here() -> "Machine":
        """This one, as it is now."""
        able = getattr(os, "sched_getaffinity", None)
        usable = sorted(able(0)) if able else list(range(os.cpu_count() or 1))
        quota = _quota(len(usable))
        return Machine(min(len(usable), quota), min(_cores(usable), quota), _memory())

    def threads(self, parameters: int) -> int:
        """How many threads serve a model of this size best."""
        if parameters < _SMALL:
            return 1
        return self.processors if self.processors <= _FEW else self.cores

    def context(self, trained: int, weights: int, token: int) -> int:
        """Tokens of context: as trained, within bounds, in half of the memory that weights leave.

        Args:
            trained: tokens that the model was trained for.
            weights: bytes.
            token: bytes of keys and values for one token.
        """
        wanted = min(trained, MOST)
        if self.memory is None:
            return wanted
        fits = max(self.memory - weights, 0) // 2 // max(token, 1) // _STEP * _STEP
        return min(wanted, max(fits, _LEAST))


def tries(asked: int, supported: bool) -> tuple[int, ...]:
    """Numbers of layers for a GPU, to be tried in turns: where not all fit, none is asked for."""
    if not supported:
        return (0,)
    return (asked,) if asked != ALL else (ALL, 0)


def place(
    api: Any,  # noqa: ANN401 - llama.cpp's bindings
    model: Any,  # noqa: ANN401 - a C pointer
    settings: ModelSettings,
    gpu_layers: int,
) -> Placement:
    """Choose for a model that is loaded; what the settings say is taken as it is."""
    machine, trained = Machine.here(), api.llama_model_n_ctx_train(model)
    weights, token = api.llama_model_size(model), _token(api, model)
    # Layers on a GPU have their keys and values there, of whose memory nothing is known here.
    context = machine.context(trained, weights, 0 if gpu_layers else token)
    context = settings.context or context
    parameters = api.llama_model_n_params(model)
    threads = settings.threads or machine.threads(parameters)
    # Fused attention is not vectorised well on a processor: with 1,200 tokens in memory the student
    # that is shipped writes twice as fast without it.
    flash = gpu_layers != 0 or parameters >= _SMALL
    return Placement(threads, flash, gpu_layers, context, trained, weights, context * token)


def _token(api: Any, model: Any) -> int:  # noqa: ANN401
    """Bytes of keys and values for one token."""
    kind = metadata(api, model, "general.architecture")
    width = api.llama_model_n_embd(model) // (api.llama_model_n_head(model) or 1)
    keys, values = (
        int(metadata(api, model, f"{kind}.attention.{name}_length") or width)
        for name in ("key", "value")
    )
    heads = api.llama_model_n_layer(model) * api.llama_model_n_head_kv(model)
    return 2 * heads * (keys + values)


def metadata(api: Any, model: Any, name: str) -> str:  # noqa: ANN401
    """What a GGUF says of itself under a name; empty where it says nothing."""
    buffer = ctypes.create_string_buffer(64)
    size = api.llama_model_meta_val_str(model, name.encode(), buffer, len(buffer))
    return buffer.value.decode(errors="replace") if size > 0 else ""


def _cores(usable: list[int]) -> int:
    """Processors that are no twins of each other."""
    twins = {_text(_SYSTEM / f"cpu{n}/topology/thread_siblings_list") or str(n) for n in usable}
    return max(len(twins), 1)


def _quota(most: int) -> int:
    """Whole processors that a container may use."""
    found = most
    for group in _groups():
        quota, _, period = _text(group / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal():
            found = min(found, max(int(quota) // max(int(period), 1), 1))
    return found


def _memory() -> int | None:
    lines = (line.split() for line in _text(Path("/proc/meminfo")).splitlines())
    found = [int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"]
    for group in _groups():
        limit, used = _text(group / "memory.max"), _text(group / "memory.current")
        if limit.isdecimal() and used.isdecimal():
            found.append(max(int(limit) - int(used), 0))
    return min(found, default=None)


def _groups() -> list[Path]:
    """This process's control group of version 2 and those around it."""
    lines = _text(Path("/proc/self/cgroup")).splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    inner = _GROUPS / path.lstrip("/")
    return [inner, *(parent for parent in inner.parents if parent.is_relative_to(_GROUPS))]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
