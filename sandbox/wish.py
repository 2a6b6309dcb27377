"""What a sandbox is opened with, for every backend."""

from dataclasses import dataclass, field
from pathlib import Path

from sandbox.choice import Choice
from sandbox.limits import Limits
from sandbox.network import Network


@dataclass(frozen=True)
class Wish:
    """The workspace, and what commands may do."""

    root: Path
    limits: Limits
    readonly: tuple[Path, ...] = ()
    """Paths in the workspace that commands cannot change."""
    own_python: bool = True
    """Whether a virtual environment in the workspace may give the interpreter."""
    network: Network | None = None
    """What of it may be reached; None is nothing."""
    stage: int | None = None
    """The warden's number for a copy-on-write workspace, which only the warden can mount."""
    choice: Choice = field(default_factory=Choice)
    """Docker's image and runtime."""
    origin: Path | None = None
    """The folder that a copy-on-write workspace shows another version of."""
