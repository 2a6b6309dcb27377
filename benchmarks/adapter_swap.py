"""How long it takes to change adapters, and whether the answers are those of a fresh process.

Run as `python -m benchmarks.adapter_swap` beside `shared/data` next to the checkout: an untrained
model of half a billion parameters, two adapters of 11 MB, 50 changes from a file and 50 between
adapters in memory. After some of each, 16 tokens and all their logits are compared, bit by bit,
with those of a second process that knows nothing but the one adapter. Ends with 1 if a change
takes more than 20 ms, or if a bit differs.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy
from gguf import GGUFWriter
from numpy.typing import NDArray

from agent.models.llama import LlamaModel
from agent.models.settings import ModelSettings
from benchmarks.untrained import HALF_BILLION, Shape, sizes, write

_RANK = 10
_CHANGES = 50
_COMPARED = 10
"""Every how many changes the answer is compared."""
_MOST = 0.020
_TOKENS = 16
_SETTINGS = ModelSettings(context=512)


class Watched(LlamaModel):
    """A model that shows its logits."""

    def logits(self, prompt: Sequence[int], count: int = _TOKENS) -> NDArray[numpy.float32]:
        """Of each of the likeliest next tokens; the tokens are their maxima."""
        return self._thread.submit(self._logits, list(prompt), count).result()

    def _logits(self, prompt: list[int], count: int) -> NDArray[numpy.float32]:
        runtime, found = self._runtime, list[NDArray[numpy.float32]]()
        runtime.feed(prompt, threading.Event())
        for _ in range(count):
            found.append(runtime.logits().copy())
            runtime.extend([int(found[-1].argmax())])
        return numpy.stack(found)


PROMPT = list(range(100, 164))


def write_adapter(path: Path, shape: Shape, seed: int, rank: int = _RANK) -> Path:
    """A random adapter for all matrices of a model, in 16 bits."""
    random = numpy.random.default_rng(seed)
    writer = GGUFWriter(path, "qwen2")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for layer in range(shape.layers):
        for name, (rows, columns) in sizes(shape).items():
            low = random.standard_normal((rank, columns)) / columns**0.5
            high = random.standard_normal((rows, rank)) * 0.1
            base = f"blk.{layer}.{name}.weight"
            writer.add_tensor(base + ".lora_a", low.astype(numpy.float16))
            writer.add_tensor(base + ".lora_b", high.astype(numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def in_a_fresh_process(gguf: Path, adapter: Path, folder: Path) -> NDArray[numpy.float32]:
    """The logits of a process that loads the model with this adapter and answers at once."""
    out = folder / f"{adapter.stem}.npy"
    command = [sys.executable, "-m", "benchmarks.adapter_swap", *map(str, (gguf, adapter, out))]
    subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[1])
    return numpy.load(out)


async def answer(gguf: Path, adapter: Path, out: Path) -> None:
    """What the fresh process does."""
    model = Watched(gguf, adapter, settings=_SETTINGS)
    numpy.save(out, model.logits(PROMPT))
    await model.close()


async def changes(gguf: Path, adapters: list[Path], folder: Path) -> bool:
    """Print how long changes take; whether all is as it must be."""
    fresh = [in_a_fresh_process(gguf, adapter, folder) for adapter in adapters]
    model = Watched(gguf, settings=_SETTINGS)
    bare = model.logits(PROMPT)
    apart = min(float(abs(bare - other).max()) for other in fresh)
    print(f"the adapters change logits by up to {apart:.1f}; a swap that forgot nothing would show")
    size = adapters[0].stat().st_size / 1e6
    print(
        f"{f'{size:.1f} MB adapter':<24}{'median ms':>10}{'max ms':>8}{'compared':>10}{'equal':>7}"
    )
    sound = apart > 0
    for label in ("from its file", "already in memory"):
        seconds, equal = list[float](), list[bool]()
        if label == "already in memory":
            model.adapt({}, load={path.stem: path for path in adapters})
        for number in range(_CHANGES):
            chosen = number % 2
            if label == "from its file":
                seconds.append(model.swap(gguf, adapters[chosen]))
            else:
                seconds.append(model.adapt({adapters[chosen].stem: 1.0}))
            if number % _COMPARED in (0, 1):
                equal.append(numpy.array_equal(model.logits(PROMPT), fresh[chosen]))
        times = f"{1e3 * statistics.median(seconds):>10.2f}{1e3 * max(seconds):>8.2f}"
        print(f"{label:<24}{times}{len(equal):>10}{sum(equal):>7}", flush=True)
        sound = sound and all(equal) and max(seconds) <= _MOST
    await model.close()
    return sound


async def main() -> int:
    if len(sys.argv) > 1:
        await answer(*map(Path, sys.argv[1:4]))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gguf = write(folder / "half.gguf", HALF_BILLION)
        adapters = [write_adapter(folder / f"{n}.gguf", HALF_BILLION, n) for n in (1, 2)]
        return 0 if await changes(gguf, adapters, folder) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
