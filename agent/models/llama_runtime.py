"""llama.cpp in this process: one model, one context, any number of LoRA adapters.

The high-level class of llama-cpp-python has no way to change adapters, redirects the whole
process's output while it loads, and counts nothing; this is the part of the C API that we need.
"""

import ctypes
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from agent.controls import Controls
from agent.models.llama_adapters import Adapters
from agent.models.llama_library import library, listen_anew, loaded, reason
from agent.models.llama_placement import metadata, place, tries
from agent.models.llama_sampler import Choose, chooser
from agent.models.llama_vocabulary import Vocabulary
from agent.models.settings import ModelSettings
from sandbox.refused import Refused

_BATCH = 512
"""Tokens that are evaluated together."""
_HOTTEST = 2.0
"""Recommendations above that are none; neither is what is no number."""


class Cancelled(Exception):
    """Evaluation was stopped by the flag."""


class _Closed:
    """Stands for llama.cpp once the weights are freed: a pointer to them would end the process."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("the model is closed")


class LlamaRuntime:
    """Weights and context. Not thread-safe: one thread at a time may use it."""

    def __init__(self, gguf: Path, settings: ModelSettings | None = None) -> None:
        """Load a model.

        Args:
            gguf: the weights.
            settings: threads, layers on a GPU, context; what they leave open is chosen by what
                the machine has.

        Raises:
            Refused: the file is missing, broken, or not for chatting.
        """
        api = library()
        self._api: Any = api
        self.gguf = gguf
        settings = settings or ModelSettings()
        self._model, layers = self._loaded(settings.gpu_layers)
        self.vocabulary = Vocabulary(api, api.llama_model_get_vocab(self._model))
        template = api.llama_model_chat_template(self._model, None)
        if not template:
            api.llama_model_free(self._model)
            raise Refused(f"{gguf} carries no chat template: use a model made for chatting.")
        self._refuse_without_end()
        # Jinja comes with llama.cpp: only now it is known to be there.
        from agent.preserving import preserving  # noqa: PLC0415

        self.preserved = preserving(template.decode(), self.vocabulary.bos, self.vocabulary.eos)
        self.template = self.preserved.template
        self.placement = place(api, self._model, settings, layers)
        """How it was opened."""
        self._context = self._open()
        self.size: int = api.llama_n_ctx(self._context)
        """Of the context, in tokens."""
        self.cells: list[int] = []
        """The tokens whose keys and values are in the context's memory, in order. They are of the
        adapters that were in use when they were fed; `feed` knows when others are."""
        self.adapters = Adapters(self._model, self._context, gguf)
        self._computed = ""

    @property
    def api(self) -> Any:  # noqa: ANN401 - the bindings are mostly untyped
        """llama.cpp's C API."""
        return self._api

    def logits(self) -> Any:  # noqa: ANN401 - numpy is imported late
        """What the model says of every token that may come next; valid until the next one."""
        import numpy

        told = self._api.llama_get_logits_ith(self._context, -1)
        return numpy.ctypeslib.as_array(told, (len(self.vocabulary),))

    def probability(self, token: int) -> float:
        """How likely the model holds a token to come next, whatever samplers make of it; 0 to 1."""
        import numpy

        logits = self.logits()
        most = logits.max()
        return float(numpy.exp(logits[token] - most) / numpy.exp(logits - most).sum())

    @cached_property
    def controls(self) -> Controls:
        """The tokens that text may only spell."""
        return Controls(*self.vocabulary.marks(), self.template)

    def feed(self, prompt: Sequence[int], cancelled: threading.Event) -> int:
        """Bring the memory to `prompt`, evaluating only what differs from what is there.

        Returns the number of tokens that were reused.

        Raises:
            Cancelled: the flag was set before the end; the memory stays usable.
            RuntimeError: llama.cpp failed.
        """
        if self._computed != self.adapters.key:
            # What other weights computed is not what these would have.
            self._cut(0)
            self._computed = self.adapters.key
        pairs = zip(self.cells, prompt, strict=False)
        same = next((at for at, (a, b) in enumerate(pairs) if a != b), None)
        if same is None:
            same = min(len(self.cells), len(prompt))
        # The last token is evaluated again in any case: its logits are not kept.
        self._cut(min(same, len(prompt) - 1))
        reused = len(self.cells)

        def is_cancelled(data: ctypes.c_void_p) -> bool:
            return cancelled.is_set()

        stop = self._api.ggml_abort_callback(is_cancelled)
        # Only for prompts: it is asked at every node of the graph, which a single token would feel.
        self._api.llama_set_abort_callback(self._context, stop, None)
        try:
            for at in range(reused, len(prompt), _BATCH):
                self.extend(prompt[at : at + _BATCH])
        finally:
            never = self._api.ggml_abort_callback()
            self._api.llama_set_abort_callback(self._context, never, None)
        return reused

    def extend(self, tokens: Sequence[int]) -> None:
        """Evaluate tokens behind those in memory, at most a batch.

        Raises:
            Cancelled: evaluation was stopped; nothing was added.
            RuntimeError: llama.cpp failed; nothing was added.
        """
        array = (self._api.llama_token * len(tokens))(*tokens)
        code = self._api.llama_decode(
            self._context, self._api.llama_batch_get_one(array, len(tokens))
        )
        if code:
            self._cut(len(self.cells))
            raise Cancelled if code == 2 else RuntimeError(f"llama.cpp failed with code {code}")
        self.cells += tokens

    @cached_property
    def temperature(self) -> float:
        """What the file recommends to sample at; 0, the likeliest token, where it says nothing."""
        try:
            temperature = float(metadata(self._api, self._model, "general.sampling.temp"))
        except ValueError:
            return 0.0
        return temperature if 0 <= temperature <= _HOTTEST else 0.0

    def chooser(self, temperature: float, seed: int) -> AbstractContextManager[Choose]:
        """A way to choose the next token, see `llama_sampler`."""
        return chooser(self._api, self._context, temperature, seed)

    @property
    def computed(self) -> str:
        """The key of the adapters with which `cells` were evaluated."""
        return self._computed

    @property
    def state_size(self) -> int:
        """Bytes of `state`."""
        return self._api.llama_state_seq_get_size(self._context, 0)

    def state(self) -> bytes:
        """What the context's memory holds, for `restore`."""
        size = self.state_size
        buffer = (ctypes.c_uint8 * size)()
        written = self._api.llama_state_seq_get_data(self._context, buffer, size, 0)
        return bytes(buffer)[:written]

    def restore(self, cells: Sequence[int], state: bytes) -> bool:
        """Take over the `state` of a context of the same weights, adapters, size and build.

        The bytes are trusted. Whether llama.cpp took them; if not, the memory is empty.
        """
        self._cut(0)
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if not self._api.llama_state_seq_set_data(self._context, buffer, len(state), 0):
            self._cut(0)
            return False
        self.cells, self._computed = list(cells), self.adapters.key
        return True

    def close(self) -> None:
        """Free the memory; closing again does nothing."""
        if self._context:
            self.adapters.close()
            self._api.llama_free(self._context)
            self._api.llama_model_free(self._model)
        self._context = self._model = None
        self._api = self.vocabulary.api = _Closed()

    def _cut(self, keep: int) -> None:
        """Drop everything from memory behind the first `keep` tokens."""
        memory = self._api.llama_get_memory(self._context)
        # Recurrent models cannot drop a part.
        if keep == 0 or not self._api.llama_memory_seq_rm(memory, -1, keep, -1):
            self._api.llama_memory_clear(memory, True)
            keep = 0
        del self.cells[keep:]

    def _loaded(self, asked: int) -> tuple[Any, int]:
        """The weights, and the number of layers that were asked onto a GPU."""
        *rather, last = tries(asked, self._api.llama_supports_gpu_offload())
        for layers in rather:
            with suppress(Refused):
                return loaded(self.gguf, layers), layers
        return loaded(self.gguf, last), last

    def _open(self) -> Any:  # noqa: ANN401 - a C pointer
        api = self._api
        options = api.llama_context_default_params()
        options.n_ctx = self.placement.context
        options.n_batch = options.n_ubatch = _BATCH
        options.n_threads = options.n_threads_batch = self.placement.threads
        if not self.placement.flash:
            options.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        listen_anew()
        opened = api.llama_init_from_model(self._model, options)
        if not opened:
            api.llama_model_free(self._model)
            raise Refused(
                f"{self.gguf} cannot be opened with a context of {options.n_ctx} tokens"
                f"{reason()}: set a smaller one."
            )
        return opened

    def _refuse_without_end(self) -> None:
        if self.vocabulary.end < 0:
            self._api.llama_model_free(self._model)
            raise Refused(
                f"The vocabulary of {self.gguf} has no token that ends an answer: use a model made "
                "for chatting."
            )
