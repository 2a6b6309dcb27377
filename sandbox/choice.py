"""Which sandbox the user chose."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A backend, and what only Docker's needs to know."""

    backend: str = ""
    """Its name; empty is the first that works."""
    image: str = "python:3.11-slim"
    """What commands run in."""
    runtime: str = ""
    """`runsc` is gVisor; empty is the engine's own."""


AUTO = Choice()
"""The first that works."""
