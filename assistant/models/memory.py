"""How much memory a model needs, and how much there is."""

import os
from pathlib import Path

from agent.models.gguf import GgufHeader

_MOST = 16_384
"""Tokens of context that are taken by default, at most."""
_WORK = 0.3e9
"""Bytes that llama.cpp computes in, roughly; measured between 0.1 and 0.5 GB."""


def needed(header: GgufHeader, bytes: int, context: int = 0) -> int:
    """Bytes of memory that a model takes: weights, keys and values, and room to compute in.

    Args:
        header: of its file.
        bytes: size of the file.
        context: tokens; 0 is what is taken by default.
    """
    tokens = context or min(header.context or _MOST, _MOST)
    return int(bytes + header.cache(tokens) + _WORK)


def available() -> int | None:
    """Bytes of memory that can be had now without swapping; None where that is not told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
