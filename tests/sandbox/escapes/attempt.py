"""An attempt to get out: what is tried inside, what the host does next, how it looks then."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.sandbox.escapes.target import Target

Group = Literal[
    "environment and secrets",
    "reading outside",
    "writing outside",
    "trust handed off",
    "network",
    "kernel surface",
    "privileges",
    "processes",
    "terminal and descriptors",
    "host file API",
]
Control = Literal["plain", "root", "perhaps", "alone", "child", "none"]
"""How the same probe shows that it works: as a plain process (`root`: of root, `perhaps`: where
the kernel and its owner let root at all), alone in namespaces of its own, as a child that may kill
its parent, or not at all."""
Seen = Callable[[Target, str], bool]
"""Whether the host finds that it got out, given what the probe brought back."""
After = Callable[[Target], str]
"""What the host does after the probe, as users and we do; its text is added to what came back."""


@dataclass(frozen=True)
class Attempt:
    """One attempt. `probe` is the body of a Python function; what it returns is its claim."""

    name: str
    group: Group
    probe: str
    seen: Seen | None = None
    """Without it the claim alone decides: the host cannot tell a system call from outside."""
    after: After | None = None
    unguarded: After | None = None
    """In the control this takes the place of `after`: the same with the protection left out."""
    control: Control = "plain"
    machine: str = ""
    """Only on machines of this kind."""
    fresh: bool = False
    """Needs a workspace that no other attempt has touched."""
    residual: frozenset[str] = field(default_factory=frozenset[str])
    """Backends where it is known to work, and has to: what is stated must be true."""

    @property
    def key(self) -> str:
        """A name that no other attempt has."""
        return f"{self.group}: {self.name}"


def secret(target: Target, detail: str) -> bool:
    """The probe brought back what only the host knows."""
    return target.token in detail


def changed(target: Target, detail: str) -> bool:
    """Something outside of the workspace is not as it was."""
    return target.outside_changed()


def canary(target: Target, detail: str) -> bool:
    """Code of the probe ran on the host."""
    return target.canary.exists()
