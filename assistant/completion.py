"""Completion at the prompt: slash commands at the start of a line, paths anywhere."""

from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

COMMANDS = {
    "/help": "show this",
    "/model": "show the model, or go on with another: /model claude",
    "/mode": "show what waits for your yes, or change it: /mode ask|edits|auto",
    "/diff": "show what has changed in this conversation",
    "/apply": "bring what was changed in the copy into your folder (with --isolate)",
    "/allow": "show which domains may be reached, or add one: /allow docs.python.org",
    "/escalate": "leave the next turn to the teacher, or name one: /escalate claude",
    "/context": "show how full the model's window is",
    "/compact": "leave earlier steps out of what the model sees; a list takes their place",
    "/new": "begin a new conversation",
    "/quit": "leave",
}


class Words(Completer):
    """Completes the word before the cursor."""

    def __init__(self, root: Path) -> None:
        """Paths are relative to `root`."""
        self._root = root

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """What the word may become."""
        line = document.text_before_cursor
        if line.startswith("/") and " " not in line:
            for name, about in COMMANDS.items():
                if name.startswith(line):
                    yield Completion(name, -len(line), display_meta=about)
            return
        word = line.rsplit(maxsplit=1)[-1] if line and not line[-1].isspace() else ""
        # As the name of a picture: see assistant/pictures.py.
        yield from self._paths(word.removeprefix("@"))

    def _paths(self, word: str) -> Iterable[Completion]:
        folder, _, start = word.rpartition("/")
        try:
            entries = sorted((self._root / folder).iterdir())
        except (OSError, ValueError):
            return
        for entry in entries:
            if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
                yield Completion(entry.name + ("/" if entry.is_dir() else ""), -len(start))
