"""Work that only one process may do at a time."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sandbox.refused import Refused


@contextmanager
def alone(path: Path, refusal: str) -> Generator[None]:
    """Hold the lock file `path`, which dies with the process.

    Raises:
        Refused: somebody else holds it; `refusal` is the sentence.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(refusal) from None
        yield
