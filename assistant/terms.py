"""What a session was asked for when it was started, beyond the settings."""

import importlib
from dataclasses import dataclass
from pathlib import Path

from assistant.config import Config
from sandbox.refused import Refused

NAMES = {"none": "NO SANDBOX", "landlock": "landlock (reduced)"}
"""Backends that hold less, as users are told."""


@dataclass(frozen=True)
class Terms:
    """Of one session; none of it can be set for all of them."""

    root: Path
    """The user's folder."""
    isolate: bool = False
    """Work on a copy; the folder changes only by `/apply`."""
    sandboxed: bool = True

    def check(self, config: Config) -> None:
        """Say what cannot be before a prompt is drawn.

        Raises:
            Refused: these do not go together, or a domain cannot be read.
        """
        if self.isolate and not self.sandboxed:
            raise Refused("--isolate needs a sandbox: leave out --dangerously-without-sandbox.")
        if config.network.allow:
            # Most sessions have no network, and the prompt must not wait for what reads domains.
            network = importlib.import_module("sandbox.network")
            network.Network.allowing(config.network.allow)
