"""How much of the machine a sandbox may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Caps for all that runs in a sandbox together unless said otherwise."""

    seconds: float = 120.0
    """Of each command."""
    memory_mb: int = 2048
    processes: int = 256
    output_bytes: int = 200_000
    """Kept of each command's stdout and of its stderr, each."""
    file_mb: int = 1024
    """Largest single file (RLIMIT_FSIZE)."""
    workspace_mb: int = 1024
    """What a copy-on-write workspace may hold beyond its origin; elsewhere, by how much the free
    space of the disk may shrink during one command."""
    cpus: float = 0.0
    """Processors' worth of time where a cgroup can be made; 0 is all of them."""
