"""A GGUF in fewer bits, in a process of its own: `python -P -m training.quantize job.json`."""

import ctypes
from pathlib import Path
from typing import Any

from training.stage import attached

KINDS = ("q8_0", "q4_k_m")


def main() -> None:
    """Quantise `source` to `kind`; the file `out` appears whole."""
    with attached() as job:
        quantize(Path(str(job["source"])), str(job["kind"]), Path(str(job["out"])))


def quantize(source: Path, kind: str, out: Path) -> None:
    """Quantise with llama.cpp in this process.

    Raises:
        RuntimeError: llama.cpp does not take the file.
    """
    import llama_cpp

    types = {
        "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
        "q4_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    }
    parameters: Any = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = types[kind]
    part = out.with_name(out.name + ".part")
    paths = (str(source).encode(), str(part).encode())
    quantise: Any = llama_cpp.llama_model_quantize
    if status := quantise(*paths, ctypes.byref(parameters)):
        raise RuntimeError(f"llama.cpp cannot quantise {source} to {kind} (status {status})")
    part.replace(out)


if __name__ == "__main__":
    main()
