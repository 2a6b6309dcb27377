"""One answer of the local student while it is being written, token by token."""

import threading
from collections.abc import Iterator, Sequence
from statistics import fmean

from agent.models.llama_guard import Guard
from agent.models.llama_runtime import Cancelled, LlamaRuntime
from agent.models.settings import ModelSettings


class Writing:
    """Writes an answer to a prompt that is in the model's memory; tells of it what is known."""

    def __init__(self, runtime: LlamaRuntime, settings: ModelSettings, guard: Guard) -> None:
        """`guard` has the last word on each token."""
        self.tokens = 0
        """Written up to now."""
        self.ended = False
        """Whether the model ended its turn; else the answer was as long as it may be."""
        self._runtime, self._settings, self._guard = runtime, settings, guard
        self._sure = list[float]()

    @property
    def confidence(self) -> float | None:
        """The mean probability of the tokens of calls; None where there were none."""
        return fmean(self._sure) if self._sure else None

    def pieces(self, prompt: Sequence[int], cancelled: threading.Event) -> Iterator[str]:
        """The text of the answer as far as it is settled.

        Raises:
            Cancelled: the flag was set; at most one token later.
        """
        runtime, settings, guard = self._runtime, self._settings, self._guard
        # A quarter of the window at most: what comes after the answer needs room as well.
        limit = min(settings.max_tokens, runtime.size // 4, runtime.size - len(prompt))
        set_to = settings.temperature
        temperature = runtime.temperature if set_to is None else set_to
        with runtime.chooser(temperature, settings.seed) as choose:
            while True:
                if cancelled.is_set():
                    raise Cancelled
                token = choose(judge := guard.judge)
                self.tokens += 1
                if judge:
                    self._sure.append(runtime.probability(token))
                self.ended = runtime.vocabulary.ends(token)
                if self.ended:
                    break
                yield guard.take(token)
                if self.tokens >= limit:
                    break
                if guard.rewound:
                    runtime.feed([*prompt, *guard.tokens], cancelled)
                else:
                    runtime.extend([token])
        yield guard.rest()
