"""How much of the machine one sandboxed command may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Caps for one command and all its descendants together unless said otherwise."""

    seconds: float = 120.0
    memory_mb: int = 2048
    """Of the whole tree where a cgroup can be made, else of each process (RLIMIT_AS)."""
    processes: int = 256
    output_bytes: int = 200_000
    """Kept of stdout and of stderr, each."""
    file_mb: int = 1024
    """Largest single file (RLIMIT_FSIZE)."""
