"""Copy-on-write folders: a file system of limited size over a folder that stays as it is."""

import os

from sandbox.warden import kernel
from sandbox.warden.place import Place

_KEPT = 16
"""Bases that no stage uses and that stay: the next workspace is often the same."""


class Stages:
    """What is mounted below `stages` in the warden's own folder."""

    def __init__(self, place: Place) -> None:
        """Try whether there can be any."""
        self.place = place
        self.possible = False
        self._folder = f"{place.folder}/stages"
        self._uses: dict[str, int] = {}
        """How many stages are over a base; the one that was used last comes last."""
        self._bases: dict[int, str] = {}
        """Which base a stage is over."""
        self._last = os.getpid() * 1_000_000
        """No number of one warden is another's."""
        if place.folder:
            self.possible = self._try()

    def _try(self) -> bool:
        try:
            os.close(self.base("probe")[0])
            number, folder = self.over_base("probe", 1)
            os.close(folder)
            self.drop(number)
            self.forget("probe")
        except OSError:
            return False
        return True

    def base(self, key: str) -> tuple[int, bool]:
        """A folder that stages share, as a descriptor; whether it is new, and so empty."""
        path = f"{self._folder}/bases/{key}"
        new = key not in self._uses
        if new:
            for idle in [k for k, uses in self._uses.items() if not uses][:-_KEPT]:
                self.forget(idle)
            os.mkdir(path)
            self._own(path)
            self._uses[key] = 0
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), new

    def forget(self, key: str) -> None:
        """Remove a base that no stage is over."""
        if not self._uses.get(key, 1):
            del self._uses[key]
            remove(f"{self._folder}/bases/{key}")

    def over_base(self, key: str, megabytes: int) -> tuple[int, int]:
        """A stage over a base that was filled: its number, and a descriptor of its folder.

        Raises:
            OSError: it cannot be made.
        """
        if key not in self._uses:
            raise OSError(2, "it was filled for a warden that has died", "the workspace's files")
        made = self._make(f"{self._folder}/bases/{key}", megabytes, own=True)
        self._uses[key] = self._uses.pop(key) + 1
        self._bases[made[0]] = key
        return made

    def over_tree(self, tree: int, megabytes: int) -> tuple[int, int]:
        """The same over a folder of the machine.

        Raises:
            OSError: it cannot be made.
        """
        dropped = self.place.droppable(tree)
        lower = f"{self._folder}/{self._last + 1}-lower"
        self.place.put(self.place.copy(tree, dropped=dropped), lower)
        try:
            return self._make(lower, megabytes, own=dropped)
        except OSError:
            kernel.unmount(lower)
            os.rmdir(lower)
            raise

    def path(self, number: int) -> str:
        """Where a stage is.

        Raises:
            OSError: it was another warden's.
        """
        path = f"{self._folder}/{number}/whole"
        if not os.path.isdir(path):
            raise OSError(2, "its warden has died; start the assistant again", "the workspace")
        return path

    def layers(self, number: int) -> tuple[int, int]:
        """Descriptors of what a stage is over, and of what has changed."""
        self.path(number)
        base = self._bases.get(number)
        lower = f"{self._folder}/bases/{base}" if base else f"{self._folder}/{number}-lower"
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        return os.open(lower, flags), os.open(f"{self._folder}/{number}/upper", flags)

    def drop(self, number: int) -> None:
        """Remove a stage; nothing happens where there is none."""
        folder = f"{self._folder}/{number}"
        if not os.path.isdir(folder):
            return
        kernel.unmount(f"{folder}/whole")
        kernel.unmount(folder)
        os.rmdir(folder)
        base = self._bases.pop(number, None)
        if base is None:
            kernel.unmount(f"{folder}-lower")
            os.rmdir(f"{folder}-lower")
        else:
            self._uses[base] -= 1

    def _make(self, lower: str, megabytes: int, *, own: bool) -> tuple[int, int]:
        self._last += 1
        folder = f"{self._folder}/{self._last}"
        os.mkdir(folder)
        flags = kernel.NOSUID | kernel.NODEV
        # An inode costs about a kilobyte that the size does not count.
        size = f"mode=755,size={megabytes}m,nr_inodes={max(megabytes, 8) * 128}"
        kernel.mount("tmpfs", folder, "tmpfs", flags, size)
        for name in ("upper", "work", "whole"):
            os.mkdir(f"{folder}/{name}")
        mode = os.stat(lower).st_mode
        os.chmod(f"{folder}/upper", mode & 0o777)
        if own:
            self._own(f"{folder}/upper")
        layers = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
        # Only root may keep where a renamed folder came from, and so rename one of the lower layer.
        options = f"{layers},index=off,metacopy=off" + (
            ",redirect_dir=on" if self.place.root else ",userxattr"
        )
        try:
            kernel.mount("overlay", f"{folder}/whole", "overlay", flags, options)
        except OSError:
            kernel.unmount(folder)
            os.rmdir(folder)
            raise
        whole = os.open(f"{folder}/whole", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._last, whole

    def _own(self, path: str) -> None:
        if self.place.shown is not None:
            os.chown(path, self.place.shown, self.place.shown)


def remove(path: str) -> None:
    """Remove a folder that only we have written to."""
    for folder, folders, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(f"{folder}/{name}")
        for name in folders:
            os.rmdir(f"{folder}/{name}")
    os.rmdir(path)
