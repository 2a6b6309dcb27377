"""Starting sandboxes: a child of the warden's that becomes bubblewrap."""

import fcntl
import os
import time

from sandbox.warden import kernel
from sandbox.warden.place import Place

_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
"""Of what is started: nothing of anybody's is in it."""
_GONE = 5.0
"""Seconds that killed processes may take to end."""


class Launches:
    """What the warden has started and what has not ended."""

    def __init__(self, place: Place) -> None:
        """Nothing runs yet."""
        self.place = place
        self._running: set[int] = set()
        kernel.adopt_orphans()

    def start(
        self,
        command: list[str],
        shows: list[tuple[str, str]],
        groups: list[str],
        tree: int | None,
        descriptors: list[int],
    ) -> int:
        """Start a command; its pid.

        `shows`: what of the workspace is mounted where in the warden's folder, as pairs of a path
        below `tree`, empty for itself, and a name; `groups`: cgroup folders to join;
        `descriptors`: what becomes 0, 1, 2 and so on.

        Raises:
            OSError: it could not be started.
        """
        if tree is not None:
            self.place.droppable(tree)  # What this finds out is known to all children from now on.
        failed = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._become(command, shows, groups, tree, descriptors)
            except OSError as error:
                os.write(failed[1], f"{error.errno} {error.filename}: {error.strerror}".encode())
            finally:
                os._exit(127)
        self._running.add(pid)
        os.close(failed[1])
        with os.fdopen(failed[0], "rb") as file:
            said = file.read().decode(errors="replace")
        if said:
            code, _, reason = said.partition(" ")
            os.waitpid(pid, 0)
            self._running.discard(pid)
            raise OSError(int(code), reason)
        return pid

    def _become(
        self,
        command: list[str],
        shows: list[tuple[str, str]],
        groups: list[str],
        tree: int | None,
        descriptors: list[int],
    ) -> None:
        """In the child: what lasts until it has become the command."""
        for folder in groups:
            kernel.write(f"{folder}/cgroup.procs", "0")
        if self.place.folder and tree is not None and shows:
            self._show(shows, tree)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in descriptors]
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, number)
        os.execve(command[0], command, _ENVIRONMENT)

    def _show(self, shows: list[tuple[str, str]], tree: int) -> None:
        """Mount the workspace in a namespace that ends with the sandbox; become somebody else."""
        dropped = self.place.droppable(tree)
        copies = [
            (self.place.copy(kernel.beneath(tree, path) if path else tree, dropped=dropped), name)
            for path, name in shows
        ]
        kernel.unshare(kernel.NEW_MOUNTS)
        folder = f"{self.place.folder}/show"
        kernel.mount("tmpfs", folder, "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=755")
        for copy, name in copies:
            self.place.put(copy, f"{folder}/{name}")
        kernel.unmount(f"{self.place.folder}/stages")
        if dropped and self.place.shown is not None:
            os.setgroups([])
            os.setgid(self.place.shown)
            os.setuid(self.place.shown)

    def kill(self, pid: int) -> None:
        """Kill one with all that is in its namespaces. Nothing happens where it has ended."""
        self.reap()
        if pid in self._running:
            for child in _children(pid):
                _kill(child)
            _kill(pid)

    def end(self) -> None:
        """Kill all; returns when they are gone, or after 5 s."""
        until = time.monotonic() + _GONE
        while time.monotonic() < until:
            for pid in list(self._running):
                self.kill(pid)
            for pid in _children(os.getpid()):
                _kill(pid)
            if not self.reap():
                return
            time.sleep(0.002)

    def reap(self) -> bool:
        """Take note of what has ended; False when nothing is left."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._running.clear()
                return False
            if pid == 0:
                break
            self._running.discard(pid)
        # Without the process that looks after it, a half-made sandbox would wait for ever.
        for pid in set(_children(os.getpid())) - self._running:
            _kill(pid)
        return True


def _children(pid: int) -> list[int]:
    """The processes that a process has started; none where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
