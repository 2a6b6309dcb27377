"""Opening sandboxes that are closed at the end of the test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sandbox.limits import Limits
from sandbox.sandbox import Sandbox


class Opening(Protocol):
    """As `open_sandbox`."""

    async def __call__(
        self,
        root: Path,
        *,
        limits: Limits = ...,
        readonly: Sequence[Path] = (),
        own_python: bool = True,
    ) -> Sandbox: ...
