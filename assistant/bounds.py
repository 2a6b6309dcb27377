"""Limits of the sandbox with which commands still work, and which kernels take."""

from collections.abc import Mapping

from sandbox.limits import Limits

_BETWEEN: Mapping[str, tuple[int, int]] = {
    "seconds": (1, 86_400),
    "memory_mb": (32, 2**24),
    "processes": (8, 2**20),
    "output_bytes": (1_000, 2**30),
    "file_mb": (1, 2**24),
    "workspace_mb": (1, 2**24),
    "cpus": (0, 10_000),
}


class Unfit(ValueError):
    """A value of the right type with which nothing would work; begins with the key."""


def check(limits: Limits) -> None:
    """See whether commands can run within them.

    Raises:
        Unfit: one is too low or too high.
    """
    for name, (least, most) in _BETWEEN.items():
        value = getattr(limits, name)
        # Asked this way, since what is no number at all (nan) is neither below nor above.
        if not least <= value <= most:
            raise Unfit(f"{name} must be between {least} and {most}, not {value!r}")
