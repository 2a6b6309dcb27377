"""The local student: a GGUF in llama.cpp, in this process."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

from agent.formats import FORMATS, Format, format_of
from agent.generated import Generated
from agent.identities import accepted
from agent.message import Message
from agent.model import ContextFull, Event, ModelError, Stop, Usage
from agent.models.llama_guard import Guard
from agent.models.llama_placement import Placement
from agent.models.llama_runtime import Cancelled, LlamaRuntime
from agent.models.llama_state import States
from agent.models.llama_writing import Writing
from agent.models.settings import ModelSettings
from agent.parse import Splitter
from agent.thoughts import restored
from sandbox.refused import Refused
from tools.schema import ToolSchema

_ROOM = 32
"""Tokens that an answer needs at least."""
_OPENING = 8
"""Tokens at the end of a prompt that may open the model's thoughts."""


class LlamaModel:
    """A model on this machine. Answers one conversation at a time; others wait.

    What two prompts have in common at their beginning is evaluated once: on a history that only
    grows, a step costs its new tokens. Does not cover: several prompts in memory at a time.
    """

    sees = False
    """Whether it can be given pictures; models that do not say can."""
    held = True
    """Whether a grammar holds its calls to the tools' schemas; benchmarks go without, too."""

    def __init__(
        self,
        gguf: Path,
        adapter: Path | None = None,
        *,
        settings: ModelSettings | None = None,
        name: str = "",
    ) -> None:
        """Load a model.

        Args:
            gguf: the weights; the file's own chat template is used.
            adapter: a LoRA adapter for them, also GGUF.
            settings: lengths, temperature, seed, threads, format of tool calls.
            name: for `local:<name>`; the file's name if empty.

        Raises:
            Refused: a file is missing, broken, or not for chatting.
        """
        self.name = f"local:{name or gguf.stem}"
        self._settings = settings or ModelSettings()
        if self._settings.tool_format not in ("", *FORMATS):
            raise Refused(
                f"There is no tool format {self._settings.tool_format!r}: use one of "
                f"{', '.join(FORMATS)}."
            )
        # llama.cpp is used from this one thread only, so that requests queue up by themselves.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="llama")
        self._running: set[threading.Event] = set()
        self._closed = False
        self._answers = 0
        self._runtime = self._open(gguf, adapter)
        self.states: States | None = None
        """Where what was computed is kept when the model is closed, and found again."""

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer the conversation. Cancelling stops within one token, and closing the model, too.

        Raises:
            ModelError: the conversation does not fit, the template refuses it, or the model is
                closed.
        """
        if self._closed:
            raise ModelError(f"{self.name} is closed: open it again.")
        loop, cancelled = asyncio.get_running_loop(), threading.Event()
        queue: asyncio.Queue[Event | None] = asyncio.Queue()

        def post(event: Event | None) -> None:
            # The loop may be closed by the time that a cancelled answer notices.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(queue.put_nowait, event)

        def work() -> None:
            for event in self._answer(messages, tools, cancelled):
                post(event)

        self._running.add(cancelled)
        job = self._thread.submit(work)
        job.add_done_callback(lambda job: post(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            job.result()
        finally:
            cancelled.set()
            self._running.discard(cancelled)

    def prompt_tokens(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSchema],
        add_generation_prompt: bool = True,
    ) -> list[int]:
        """Exactly the tokens that the model is fed for a conversation.

        Raises:
            ModelError: the template refuses it.
        """
        # Jinja comes with llama.cpp: without the `local` extra neither is there.
        from agent.template import Unrenderable, render  # noqa: PLC0415

        runtime = self._runtime
        history = accepted(restored(messages), runtime.template)
        told, offered = runtime.controls.cut(history, tools)
        try:
            text = render(
                runtime.template,
                told,
                offered,
                add_generation_prompt=add_generation_prompt,
                bos=runtime.vocabulary.bos,
                eos=runtime.vocabulary.eos,
            )
        except Unrenderable as error:
            raise ModelError(
                f"The chat template of {self.name} refuses this conversation: {error}."
            ) from error
        return runtime.vocabulary.tokens(text)

    def swap(self, gguf: Path, adapter: Path | None, *, name: str = "") -> float:
        """Change adapter, or model and adapter, and forget what the old weights computed.

        Waits for an answer that is being written. Returns the seconds that the change took.

        Raises:
            Refused: a file is missing or broken; the old weights stay in use.
        """
        seconds = self._thread.submit(self._swap, gguf, adapter).result()
        self.name = f"local:{name or gguf.stem}"
        return seconds

    def adapt(
        self,
        scales: Mapping[str, float],
        load: Mapping[str, Path] | None = None,
        drop: Iterable[str] = (),
    ) -> float:
        """Use exactly these adapters, by name, each at its scale; others stay in memory.

        Waits for an answer that is being written. The adapter that the model was opened with, or
        last swapped to, has the name "". Returns the seconds that the change took.

        Args:
            scales: 1.0 is as it was trained; none at all is the bare model.
            load: files to take into memory before, by name; what had the name is replaced.
            drop: names that leave the memory.

        Raises:
            Refused: a file is missing, broken or not for this model, or a name is unknown.
        """
        return self._thread.submit(self._adapt, scales, load or {}, drop).result()

    @property
    def adapters(self) -> Mapping[str, str]:
        """The adapters in memory: name to SHA-256, hex."""
        return self._runtime.adapters.resident

    @property
    def note(self) -> str:
        """What the user should know of its chat template; mostly empty."""
        note = self._runtime.preserved.note
        return f"{self.name}: {note}." if note else ""

    @property
    def placement(self) -> Placement:
        """Threads, layers on a GPU and context, as they were chosen."""
        return self._runtime.placement

    @property
    def window(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._runtime.size

    async def count(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
        """The tokens of a prompt, exactly.

        Raises:
            ModelError: the template refuses it.
        """
        counting = self._thread.submit(self.prompt_tokens, messages, tools)
        return len(await asyncio.wrap_future(counting))

    async def close(self) -> None:
        """Free the memory; an answer that is being written stops. Keep what is in it first.

        Closing again does nothing.
        """
        if self._closed:
            return
        self._closed = True
        for cancelled in self._running:
            cancelled.set()
        await asyncio.wrap_future(self._thread.submit(self._close))
        self._thread.shutdown()

    def _close(self) -> None:
        if self.states:
            self.states.keep(self._runtime)
        self._runtime.close()

    def _open(self, gguf: Path, adapter: Path | None) -> LlamaRuntime:
        runtime = LlamaRuntime(gguf, self._settings)
        try:
            runtime.adapters.use_only(adapter)
        except Refused:
            runtime.close()
            raise
        return runtime

    def _swap(self, gguf: Path, adapter: Path | None) -> float:
        began = time.perf_counter()
        if gguf == self._runtime.gguf:
            self._runtime.adapters.use_only(adapter)
        else:
            # The new one first: if it cannot be loaded, the old one is still there.
            new = self._open(gguf, adapter)
            self._runtime.close()
            self._runtime = new
        return time.perf_counter() - began

    def _adapt(
        self, scales: Mapping[str, float], load: Mapping[str, Path], drop: Iterable[str]
    ) -> float:
        began, adapters = time.perf_counter(), self._runtime.adapters
        for name, path in load.items():
            adapters.load(name, path)
        adapters.use(scales)
        for name in drop:
            adapters.drop(name)
        return time.perf_counter() - began

    def _answer(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], cancelled: threading.Event
    ) -> Iterator[Event]:
        """The whole answer; runs in the model's thread."""
        runtime = self._runtime
        prompt = self.prompt_tokens(messages, tools)
        if len(prompt) + _ROOM > runtime.size:
            raise ContextFull(
                f"The conversation has {len(prompt)} tokens and {self.name} has room for "
                f"{runtime.size}: start a new conversation or raise the context in the settings."
            )
        form = cast(Format, self._settings.tool_format) or format_of(runtime.template)
        splitter = Splitter(form, message=len(messages), tools=tools) if tools else None
        answer = Generated(splitter, runtime.vocabulary.text(prompt[-_OPENING:]))
        try:
            if self.states:
                self.states.recall(runtime, prompt)
            reused = runtime.feed(prompt, cancelled)
            with closing(Guard(runtime, form, tools if self.held else ())) as guard:
                guard.inside = answer.inside
                # Else the same question would be answered the same way however often it is asked.
                seed = self._settings.seed + self._answers
                self._answers += 1
                writing = Writing(runtime, replace(self._settings, seed=seed), guard)
                for piece in writing.pieces(prompt, cancelled):
                    yield from answer.feed(piece)
        except Cancelled:
            return
        yield Usage(len(prompt), writing.tokens, reused, 0.0)
        yield from answer.finish()
        reason = "length" if not writing.ended else "calls" if answer.called else "end"
        yield Stop(reason, answer.provider, writing.confidence)
