"""The warden's own folder, in mount namespaces that nobody else sees.

Nothing of it is left once the warden and what it started have ended.
"""

import os

from sandbox.warden import kernel

SHOWN = 61234
"""The user that sandboxes run as where the warden is root."""
_PLACES = ("/sys/kernel", "/run")
"""Where the folder can be; nobody keeps files in the first."""


class Place:
    """Where the warden mounts things, and as whom sandboxes run."""

    def __init__(self, *, private: bool = True) -> None:
        """Leave the parent's mounts, where the kernel allows it and `private` asks for it."""
        self.folder = ""
        """Empty where there are no mounts of our own."""
        self.root = False
        """Whether the mounts are root's, and not those of a user in a namespace of theirs."""
        self.shown: int | None = None
        """The user that sandboxes can run as; None: only as the warden's."""
        self._last = 0
        self._users: dict[tuple[int, int], int] = {}
        self._droppable: dict[tuple[int, int, int], bool] = {}
        self._gathered: dict[tuple[tuple[str | int, ...], ...], str] = {}
        self._kept: dict[tuple[str, int, int], str] = {}
        if private:
            try:
                self._enter()
            except OSError:
                self.folder = ""

    def _enter(self) -> None:
        self._leave()
        # What the machine mounts later is seen here as well, and never the other way round.
        kernel.mount("none", "/", "", kernel.SLAVE | kernel.RECURSIVE)
        folder = next(path for path in _PLACES if os.path.isdir(path))
        self._tmpfs(folder)
        for name in ("stages", "kept", "show"):
            os.mkdir(f"{folder}/{name}")
        # Mounts of their own: whoever is started leaves them behind with one call.
        self._tmpfs(f"{folder}/stages")
        os.mkdir(f"{folder}/stages/bases")
        probe = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        os.close(kernel.copied(probe, None))
        os.close(probe)
        self.folder = folder
        self.shown = SHOWN if self.root and _can_drop() else None

    def _leave(self) -> None:
        """Into namespaces of our own: root's, or else a user's."""
        user, group = os.getuid(), os.getgid()
        if user == 0:
            try:
                kernel.unshare(kernel.NEW_MOUNTS)
            except OSError:  # As root of a container.
                pass
            else:
                self.root = True
                return
        kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_USERS)
        kernel.write("/proc/self/setgroups", "deny")
        kernel.write("/proc/self/uid_map", f"0 {user} 1\n")
        kernel.write("/proc/self/gid_map", f"0 {group} 1\n")

    def _tmpfs(self, target: str) -> None:
        kernel.mount("tmpfs", target, "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=755")

    def users(self, descriptor: int) -> int:
        """The user namespace in which a file's owner is the user that sandboxes run as."""
        state = os.fstat(descriptor)
        owner = (state.st_uid, state.st_gid)
        if owner not in self._users:
            self._users[owner] = kernel.users(*owner, SHOWN)
        return self._users[owner]

    def droppable(self, descriptor: int) -> bool:
        """Whether a sandbox for a folder can run as somebody else than root."""
        if self.shown is None:
            return False
        state = os.fstat(descriptor)
        if state.st_uid == self.shown:
            return True
        # The kernel takes milliseconds to take a mount back, and a file system does not change.
        key = (state.st_dev, state.st_uid, state.st_gid)
        if key not in self._droppable:
            try:
                able = kernel.idmappable(descriptor, self.users(descriptor))
            except OSError:
                able = False
            self._droppable[key] = able
        return self._droppable[key]

    def copy(self, descriptor: int, *, dropped: bool) -> int:
        """A mount of a file or folder that is nowhere yet, with all that is mounted below.

        `dropped`: its owner is who sandboxes run as.
        """
        owner = os.fstat(descriptor).st_uid
        if not dropped or owner == self.shown:
            return kernel.copied(descriptor, None, recursive=True)
        users = self.users(descriptor)
        try:
            return kernel.copied(descriptor, users, recursive=True)
        except OSError:  # Something below is of a file system that cannot.
            return kernel.copied(descriptor, users)

    def put(self, copy: int, target: str) -> None:
        """Mount a copy at a place that is made for it."""
        if os.fstat(copy).st_mode & 0o170000 == 0o040000:
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o600))
        kernel.placed(copy, target)

    def gather(self, entries: list[tuple[str, str, bool]]) -> str:
        """A folder of files and folders of the machine, and of links.

        `entries`: where each is in the folder, what it is, and whether it is a link.
        """
        known = tuple((*entry, *(() if entry[2] else _identity(entry[1]))) for entry in entries)
        if known not in self._gathered:
            folder = self._fresh()
            for inside, source, link in entries:
                target = f"{folder}/{inside}"
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if link:
                    os.symlink(source, target)
                else:
                    self._put_file(source, target)
            self._gathered[known] = folder
        return self._gathered[known]

    def stay(self) -> None:
        """Have sandboxes run as the warden's own user from now on."""
        self.shown = None
        self._kept.clear()
        self._gathered.clear()

    def _fresh(self) -> str:
        self._last += 1
        return f"{self.folder}/kept/{self._last}"

    def _put_file(self, source: str, target: str) -> None:
        descriptor = os.open(source, os.O_PATH | os.O_CLOEXEC)
        try:
            self.put(self.copy(descriptor, dropped=self.droppable(descriptor)), target)
        finally:
            os.close(descriptor)

    def keep(self, path: str) -> str:
        """Where a file or folder of the machine can be reached by whoever sandboxes run as."""
        if self.shown is None:
            return path
        key = (path, *_identity(path))
        if key not in self._kept:
            target = self._fresh()
            self._put_file(path, target)
            self._kept[key] = target
        return self._kept[key]


def _identity(path: str) -> tuple[int, int]:
    """What a file is, whatever its name."""
    state = os.stat(path)
    return state.st_dev, state.st_ino


def _can_drop() -> bool:
    """Whether the user that sandboxes are to run as may make namespaces."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(SHOWN)
            os.setuid(SHOWN)
            kernel.unshare(kernel.NEW_USERS)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0
