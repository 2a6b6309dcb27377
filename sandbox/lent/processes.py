"""Which processes there are, and which command each belongs to, from /proc."""

import os

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Processes:
    """What /proc said at one moment."""

    def __init__(self) -> None:
        """Look now."""
        self._all: dict[int, tuple[int, int]] = {}
        self._bytes: dict[int, int] = {}
        self._me = os.getpid()
        for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is slow to import
            if name.isdigit():
                self._look(int(name))

    def _look(self, pid: int) -> None:
        try:
            file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        except OSError:
            return  # It has ended.
        try:
            # The name may hold anything, brackets and spaces too.
            fields = os.read(file, 4096).rpartition(b") ")[2].split()
            self._all[pid] = int(fields[1]), int(fields[3])
            self._bytes[pid] = int(fields[21]) * _PAGE
        except (OSError, IndexError, ValueError):
            return
        finally:
            os.close(file)

    def _owner(self, pid: int, roots: set[int]) -> int:
        """The root it descends from or shares the session of; our own pid: none; 0: not ours.

        The session tells of those whose parents have ended.
        """
        here = pid
        for _ in self._all:
            if here not in self._all or here == self._me:
                return 0
            parent, session = self._all[here]
            if here in roots or session in roots:
                return here if here in roots else session
            if parent == self._me:
                return parent
            here = parent
        return 0

    def strays(self, roots: set[int]) -> set[int]:
        """Descendants of ours that belong to none of these processes."""
        return {pid for pid in self._all if self._owner(pid, roots) == self._me}

    def memory(self, roots: set[int]) -> dict[int, int]:
        """Resident bytes of each root with what belongs to it; under our own pid, of all strays."""
        used: dict[int, int] = {}
        for pid, size in self._bytes.items():
            owner = self._owner(pid, roots)
            if owner:
                used[owner] = used.get(owner, 0) + size
        return used
