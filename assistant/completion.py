"""Completion at the prompt: slash commands at the start of a line, paths anywhere."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document


class Words(Completer):
    """Completes the word before the cursor."""

    def __init__(self, root: Path, commands: Mapping[str, str]) -> None:
        """Paths are relative to `root`; `commands` says what each slash command does."""
        self._root, self._commands = root, commands

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """What the word may become."""
        line = document.text_before_cursor
        if line.startswith("/") and " " not in line:
            for name, about in self._commands.items():
                if name.startswith(line):
                    yield Completion(name, -len(line), display_meta=about)
            return
        word = line.rsplit(maxsplit=1)[-1] if line and not line[-1].isspace() else ""
        yield from self._paths(word)

    def _paths(self, word: str) -> Iterable[Completion]:
        folder, _, start = word.rpartition("/")
        try:
            entries = sorted((self._root / folder).iterdir())
        except (OSError, ValueError):
            return
        for entry in entries:
            if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
                yield Completion(entry.name + ("/" if entry.is_dir() else ""), -len(start))
