"""A task: what is asked, the files it starts from, and how the result is judged."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from sandbox.check import Check

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class Task:
    """One piece of work with a known way to judge it."""

    id: str
    prompt: str
    check: Check
    files: dict[str, str] = field(default_factory=dict[str, str])
    """The starting workspace: path to text. The check's protected files are added to it."""
    solution: dict[str, str] | None = None
    """Path to text of a known solution; only the reference teacher looks at it."""
    category: str = "code"
    source: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of everything that matters, hex: the same task has the same digest."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def split_of(task: str, heldout: float) -> Split:
    """Which side the task of this id falls on; by the id alone, so it never changes sides."""
    point = int(hashlib.sha256(task.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return "heldout" if point < heldout else "train"
