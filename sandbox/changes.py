"""What was changed in a copy of a folder, and how it comes back into the folder."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from sandbox.refused import Refused
from sandbox.snapshot import Snapshot, difference, same, snapshot
from sandbox.tree import Tree, TreeError

_LARGEST = 2**31
"""Bytes of a file that is carried over."""
_EXECUTABLE = 0o111


@dataclass
class Changes:
    """A folder of the user's, and a copy of it in which something hostile may have worked.

    Caches, virtual environments and `.git` stay as they are. Links are not carried over.
    """

    folder: Path
    copy: Path
    start: Snapshot
    """What both held when they were the same."""

    def diff(self) -> str:
        """A unified diff from the start to the copy; binary files are named."""
        return difference(self.start, snapshot(self.copy))

    def apply(self) -> tuple[str, ...]:
        """Bring the copy's changes into the folder: all of them, or none.

        Returns what was changed. The two are the same afterwards, and this is the new start.

        Raises:
            Refused: the folder was changed meanwhile in the same places, or cannot be written.
        """
        now, there = snapshot(self.copy), snapshot(self.folder)
        changed = _differing(self.start, now)
        wanted = [path for path in changed if not same(there.get(path), now.get(path))]
        clashes = [path for path in wanted if not same(there.get(path), self.start.get(path))]
        links = [path for path in wanted if path in now and (self.copy / path).is_symlink()]
        if clashes or links:
            why = "was changed there meanwhile" if clashes else "is a link"
            raise Refused(
                f"Nothing was applied to {self.folder}: {_named(clashes or links)} {why}; "
                "have it undone on one side, or leave and use the patch."
            )
        try:
            for path in wanted:
                self._carry(path, there=path in now)
        except (OSError, TreeError) as error:
            raise Refused(
                f"Not all was applied to {self.folder}: {error} Mend that, then apply again."
            ) from error
        self.start = snapshot(self.folder)
        return tuple(wanted)

    def save(self, place: Path) -> None:
        """Write the changes to a new folder: a patch for git, and files that are no text whole.

        Raises:
            OSError: it cannot be written.
        """
        now = snapshot(self.copy)
        changed = _differing(self.start, now)
        parts = {p: difference(_only(self.start, p), _only(now, p)) for p in changed}
        place.mkdir(parents=True)
        texts = "".join(part for part in parts.values() if not part.startswith("Binary files "))
        (place / "changes.patch").write_text(texts, encoding="utf-8", newline="")
        for path, part in parts.items():
            if part.startswith("Binary files ") and path in now:
                Tree(place).write(f"files/{path}", self._read(path))

    def _carry(self, path: str, *, there: bool) -> None:
        """Write or remove one file of the folder; no link of the folder leads out of it."""
        if not there:
            Tree(self.folder).remove(path)
            self._tidy(path)
            return
        new = not (self.folder / path).exists()
        Tree(self.folder).write(path, self._read(path))
        mode = (self.copy / path).lstat().st_mode
        if new and mode & _EXECUTABLE:
            target = self.folder / path
            target.chmod(target.stat().st_mode | (mode & _EXECUTABLE))

    def _tidy(self, path: str) -> None:
        """Remove the folders that are empty now and that the copy has not either."""
        for above in Path(path).parents[:-1]:
            if (self.copy / above).is_dir():
                return
            with contextlib.suppress(OSError):
                (self.folder / above).rmdir()

    def _read(self, path: str) -> bytes:
        return Tree(self.copy).read(path, _LARGEST)


def _differing(before: Snapshot, after: Snapshot) -> list[str]:
    """Removed ones first: a folder may have become a file."""
    paths = [p for p in before.keys() | after.keys() if not same(before.get(p), after.get(p))]
    return sorted(paths, key=lambda path: (path in after, path))


def _only(entries: Snapshot, path: str) -> Snapshot:
    return {path: entries[path]} if path in entries else {}


def _named(paths: list[str], most: int = 3) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more
