"""LoRA adapters of one model: several in memory at a time, any set of them in use."""

import ctypes
import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.models.llama_library import check, library, listen_anew, reason
from sandbox.refused import Refused


@dataclass(frozen=True)
class _Resident:
    digest: str
    handle: Any


class Adapters:
    """Those of one context. Not thread-safe, as the runtime that it belongs to."""

    def __init__(self, model: Any, context: Any, gguf: Path) -> None:  # noqa: ANN401 - C pointers
        self._api = library()
        self._model, self._context, self._gguf = model, context, gguf
        self._resident: dict[str, _Resident] = {}
        self._scales: dict[str, float] = {}

    @property
    def resident(self) -> dict[str, str]:
        """Those in memory: name to SHA-256, hex."""
        return {name: adapter.digest for name, adapter in self._resident.items()}

    @property
    def scales(self) -> dict[str, float]:
        """Those in use, by name."""
        return dict(self._scales)

    @property
    def key(self) -> str:
        """SHA-256, hex, of what is in use and at which scales; empty for the bare model.

        What was computed under one key is of no use under another.
        """
        used = [(self._resident[name].digest, scale) for name, scale in self._scales.items()]
        return hashlib.sha256(json.dumps(sorted(used)).encode()).hexdigest() if used else ""

    def load(self, name: str, path: Path) -> None:
        """Keep an adapter in memory under a name; what had the name is replaced, in use or not.

        Raises:
            Refused: it is missing, broken or not for this model; nothing changes.
        """
        check(path)
        listen_anew()
        # Side by side: either takes about as long as the other.
        with ThreadPoolExecutor(1) as pool:
            hashing = pool.submit(_digest, path)
            handle = self._api.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not handle:
            raise Refused(f"{path} is no adapter for {self._gguf}{reason()}: make it again.")
        old = self._resident.get(name)
        self._resident[name] = _Resident(hashing.result(), handle)
        if old:
            self._set()
            self._api.llama_adapter_lora_free(old.handle)

    def use(self, scales: Mapping[str, float]) -> None:
        """Use exactly these adapters, each at its scale; at 0 one does nothing.

        Raises:
            Refused: one is not in memory; nothing changes.
        """
        for name in scales:
            if name not in self._resident:
                raise Refused(f"There is no adapter '{name}' in memory: load it first.")
        self._scales = {name: float(scale) for name, scale in scales.items() if scale}
        self._set()

    def use_only(self, own: Path | None) -> None:
        """Use the adapter of a version of the model, under the name "", or none.

        Raises:
            Refused: it is missing, broken or not for this model; nothing changes.
        """
        if own:
            self.load("", own)
            self.use({"": 1.0})
        else:
            self.use({})
            self.drop("")

    def drop(self, name: str) -> None:
        """Free an adapter and use it no more; one that is not there is dropped already."""
        if adapter := self._resident.get(name):
            self._scales.pop(name, None)
            self._set()
            del self._resident[name]
            self._api.llama_adapter_lora_free(adapter.handle)

    def close(self) -> None:
        """Free them all."""
        self.use({})
        for name in list(self._resident):
            self.drop(name)

    def _set(self) -> None:
        count = len(self._scales)
        handles = [self._resident[name].handle for name in self._scales]
        held = (self._api.llama_adapter_lora_p_ctypes * count)(*handles)
        scales = (ctypes.c_float * count)(*self._scales.values())
        if self._api.llama_set_adapters_lora(self._context, held, count, scales):
            raise RuntimeError("llama.cpp did not take the adapters")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
