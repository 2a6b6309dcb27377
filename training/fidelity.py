"""Whether llama.cpp answers as the trained model does: `python -P -m training.fidelity job.json`.

The measure is the Kullback-Leibler divergence of next-token distributions, transformers against
llama.cpp, over positions of real episodes. In a process of its own, which loads both.
"""

import ctypes
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillation.manifest import write_manifest
from sandbox.refused import Refused
from training import encode
from training.stage import attached, say

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import NDArray

BARS = {"adapter": 1e-5, "f16": 1e-5, "q8_0": 5e-3}
"""Greatest mean divergence, nats; files without a bar are measured only."""
ROWS = 8
"""Episodes that are compared."""
POSITIONS = 1024
"""Of each, from its start."""


@dataclass(frozen=True)
class Fidelity:
    """How near one GGUF is to the trained model."""

    mean: float
    """Divergence in nats, mean over positions."""
    worst: float
    """At the worst position."""
    same: float
    """Share of positions with the same most likely token."""
    positions: int


def judge(found: Mapping[str, Fidelity]) -> None:
    """Compare with the bars.

    Raises:
        Refused: a file is too far from the trained model.
    """
    for name, bar in BARS.items():
        if not found[name].mean <= bar:
            raise Refused(
                f"The {name} file does not answer as the trained model does: divergence "
                f"{found[name].mean:.2e}, at most {bar:.0e} is allowed. Nothing was promoted; "
                "please report this with the training log."
            )


def load(path: Path) -> dict[str, Fidelity]:
    """What `main` wrote."""
    record: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: Fidelity(**entry) for name, entry in record.items()}


def main() -> None:
    """Compare `files` (role to path; `adapter` goes on `base`) with `merged` on `rows`."""
    with attached() as job:
        files = {str(role): Path(str(path)) for role, path in job["files"].items()}
        out = Path(str(job["out"]))
        found = compare(Path(str(job["merged"])), Path(str(job["base"])), files, Path(job["rows"]))
        write_manifest(out, {name: asdict(entry) for name, entry in found.items()})


def compare(merged: Path, base: Path, files: Mapping[str, Path], rows: Path) -> dict[str, Fidelity]:
    """Compare in this process."""
    import torch
    from transformers import AutoModelForCausalLM

    samples = [ids[:POSITIONS].tolist() for ids, _ in encode.load(rows)[:ROWS]]
    model: Any = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
    expected: list[NDArray[float32]] = []
    for ids in samples:
        with torch.inference_mode():
            expected.append(model(torch.tensor([ids])).logits[0].numpy())
    del model
    found: dict[str, Fidelity] = {}
    for role, path in files.items():
        gguf, adapter = (base, path) if role == "adapter" else (path, None)
        with _logits(gguf, adapter, max(map(len, samples))) as logits:
            pairs = [(e, logits(ids)) for e, ids in zip(expected, samples, strict=True)]
        found[role] = _fidelity(pairs)
        say(file=role, divergence=found[role].mean)
    return found


def _fidelity(pairs: "list[tuple[NDArray[float32], NDArray[float32]]]") -> Fidelity:
    import numpy

    divergences = numpy.concatenate([divergence(p, q) for p, q in pairs])
    same = numpy.concatenate([p.argmax(1) == q.argmax(1) for p, q in pairs])
    return Fidelity(
        float(divergences.mean()), float(divergences.max()), float(same.mean()), len(same)
    )


def divergence(p: "NDArray[float32]", q: "NDArray[float32]") -> "NDArray[float64]":
    """KL(p || q) of each row of logits, nats, never below zero by rounding."""
    import numpy

    p_log, q_log = (_log_softmax(x.astype(numpy.float64)) for x in (p, q))
    return numpy.maximum((numpy.exp(p_log) * (p_log - q_log)).sum(1), 0.0)


def _log_softmax(logits: "NDArray[float64]") -> "NDArray[float64]":
    import numpy

    shifted = logits - logits.max(1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(1, keepdims=True))


@contextmanager
def _logits(gguf: Path, adapter: Path | None, context: int) -> Generator[Any, None, None]:
    """A function from token ids to the logits behind each, by llama.cpp.

    Raises:
        RuntimeError: llama.cpp does not take a file.
    """
    import llama_cpp
    import numpy

    try:
        llama: Any = llama_cpp.Llama(
            str(gguf),
            n_ctx=context,
            logits_all=True,
            # llama.cpp's threads spin; on small models that takes longer than the work.
            n_threads_batch=1 if gguf.stat().st_size < 200_000_000 else None,
            verbose=False,
        )
    except ValueError as error:
        raise RuntimeError(f"llama.cpp cannot load {gguf}: {error}") from error
    handle: Any = None
    if adapter:
        handle = llama_cpp.llama_adapter_lora_init(llama.model, str(adapter).encode())
        if not handle:
            raise RuntimeError(f"llama.cpp cannot load the adapter {adapter}")
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(handle)
        scales = (ctypes.c_float * 1)(1.0)
        llama_cpp.llama_set_adapters_lora(llama.ctx, adapters, 1, scales)

    def logits(ids: list[int]) -> "NDArray[float32]":
        llama.reset()
        llama.eval(ids)
        return numpy.array(llama.scores[: len(ids)])

    try:
        yield logits
    finally:
        llama.close()


if __name__ == "__main__":
    main()
