"""Tool calls of an untrained student, held to the tools' schemas and not.

Run as `python -m benchmarks.tool_calls [GENERATIONS]` beside `shared/data` next to the checkout:
GENERATIONS (1,000) answers of a small untrained model at temperature 1.5, once with and once
without the grammar; then how fast an untrained model of half a billion parameters writes calls
with it and without. Ends with 1 if a call breaks its schema, or if the grammar takes more than a
fifth of the speed.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from agent.formats import OPENERS, Format
from agent.grammar import grammar
from agent.message import calls, user
from agent.model import Reply, answer
from agent.models.llama import LlamaModel
from agent.models.llama_call import Call
from agent.models.llama_runtime import LlamaRuntime
from agent.models.settings import ModelSettings
from benchmarks.untrained import HALF_BILLION, OPENINGS, SMALL, schemas, write
from tests.agent.schemas import unfit
from tools.registry import default_tools
from tools.schema import ToolSchema
from tools.tool import schema

_TEMPERATURE = 1.5
_TOKENS = 512
"""The longest answer."""
_ROUNDS = 12
_LEAST = 0.8


class Free(LlamaModel):
    """A student that no grammar holds."""

    held = False


_NAMES: Mapping[type[LlamaModel], str] = {LlamaModel: "grammar", Free: "free"}


def tool_sets() -> Iterator[list[ToolSchema]]:
    """Our own tools and those of others in turns, for ever."""
    own = [[schema(tool) for tool in default_tools(profile)] for profile in ("compact", "full")]
    others = schemas()
    number = 0
    while True:
        yield own[number % 2]
        yield others[number % len(others)] if others else own[number % 2]
        number += 1


def judged(
    reply: Reply, form: Format, tools: Sequence[ToolSchema], ruler: LlamaRuntime
) -> Counter[str]:
    """How many calls of an answer fit their schema, break it, or were cut by the limit."""
    found = Counter("broken" if unfit(call, tools) else "whole" for call in calls(reply.message))
    if reply.malformed:
        found["cut" if begins_well(reply.malformed.text, form, tools, ruler) else "broken"] += 1
    return found


def begins_well(text: str, form: Format, tools: Sequence[ToolSchema], ruler: LlamaRuntime) -> bool:
    """Whether a text is the beginning of a call, which only the limit kept from its end."""
    mark = next((mark for mark in OPENERS[form] if text.startswith(mark)), "")
    with closing(Call(ruler, grammar(tools, form), mark)) as call:
        return call.read(text[len(mark) :]) == ""


def opened(
    kind: type[LlamaModel], gguf: Path, special: str, seed: int, tokens: int = _TOKENS
) -> LlamaModel:
    """A student that will open a call after a special token."""
    form = OPENINGS[special][0]
    return kind(
        gguf,
        settings=ModelSettings(
            max_tokens=tokens, temperature=_TEMPERATURE, seed=seed, tool_format=form
        ),
    )


async def correctness(gguf: Path, generations: int) -> int:
    """Print what became of the calls; how many were broken under the grammar."""
    print(f"{generations} generations each, temperature {_TEMPERATURE}, {_TOKENS} tokens at most")
    print(f"{'':<20}{'whole':>8}{'broken':>8}{'cut':>8}")
    broken, ruler = 0, LlamaRuntime(gguf)
    for kind in (LlamaModel, Free):
        total, sets = Counter[str](), tool_sets()
        for number, special in enumerate(OPENINGS):
            share = range(number, generations, len(OPENINGS))
            counts = Counter[str]()
            for seed in share:
                tools, model = next(sets), opened(kind, gguf, special, seed)
                reply = await answer(model, [user(special.strip("<|>"))], tools)
                await model.close()
                counts += judged(reply, OPENINGS[special][0], tools, ruler)
            row(f"{_NAMES[kind]}, {special.strip('<|>')}", counts)
            total += counts
        row(_NAMES[kind], total)
        broken += 0 if kind is Free else total["broken"]
    ruler.close()
    return broken


def row(label: str, counts: Counter[str]) -> None:
    numbers = "".join(f"{counts[key]:>8}" for key in ("whole", "broken", "cut"))
    print(f"{label:<20}{numbers}", flush=True)


async def slowdown(gguf: Path) -> float:
    """Print how fast calls are written; the ratio of the best."""
    tools = [schema(tool) for tool in default_tools("full")]
    models = [opened(kind, gguf, "<|hermes|>", 0, 128) for kind in _NAMES]
    speeds: list[list[float]] = [[] for _ in models]
    for _ in range(_ROUNDS + 1):
        for model, measured in zip(models, speeds, strict=True):
            began = time.perf_counter()
            reply = await answer(model, [user("hermes")], tools)
            measured.append(reply.usage.output / (time.perf_counter() - began))
    print("0.5B untrained, the vocabulary of Qwen2: tokens/s while a call is written")
    print(f"{'':<20}{'best':>8}{'median':>8}")
    # The first round makes tables and reads the file.
    best = [max(measured[1:]) for measured in speeds]
    for name, fastest, measured in zip(_NAMES.values(), best, speeds, strict=True):
        print(f"{name:<20}{fastest:>8.1f}{statistics.median(measured[1:]):>8.1f}")
    # The best, since whatever else the machine does only takes from it.
    print(f"{'grammar / free':<20}{best[0] / best[1]:>8.2f} (at least {_LEAST})")
    for model in models:
        await model.close()
    return best[0] / best[1]


async def main() -> int:
    generations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        broken = await correctness(write(Path(folder) / "small.gguf", SMALL), generations)
        ratio = await slowdown(write(Path(folder) / "half.gguf", HALF_BILLION))
    return 0 if broken == 0 and ratio >= _LEAST else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
