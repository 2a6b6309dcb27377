"""The warden's loop: requests are answered one after the other until whoever asks has ended."""

import os
import sys

# As in `sandbox.warden.wire`: what is loaded is what starts slowly.
from _socket import AF_UNIX, SOCK_SEQPACKET, socket
from select import POLLIN, poll

from sandbox.warden import wire
from sandbox.warden.entering import bring
from sandbox.warden.guard import Guard, What, remove_group
from sandbox.warden.launches import Launches
from sandbox.warden.place import Place
from sandbox.warden.stages import Stages

Reply = tuple[wire.Value, tuple[int, ...]]
"""A value, and descriptors that are closed here once they were sent."""


class Warden:
    """Each public method is a request; the last argument is what descriptors came with it."""

    def __init__(self, *, private: bool) -> None:
        """Make the mounts of our own, where that is possible."""
        self._place = Place(private=private)
        self._stages = Stages(self._place)
        self._launches = Launches(self._place)
        self._guard = Guard()

    def facts(self, given: list[int]) -> Reply:
        """What is possible here."""
        place = self._place
        return {
            "place": place.folder,
            "stages": self._stages.possible,
            "root": place.root,
            "dropping": place.shown is not None,
        }, ()

    def droppable(self, path: str, given: list[int]) -> Reply:
        """Whether sandboxes for a folder can run as somebody else than root."""
        tree = os.open(path, os.O_PATH | os.O_DIRECTORY)
        try:
            return self._place.droppable(tree), ()
        finally:
            os.close(tree)

    def stay(self, given: list[int]) -> Reply:
        """See `Place.stay`."""
        self._place.stay()
        return None, ()

    def keep(self, paths: list[str], given: list[int]) -> Reply:
        """Where files of the machine can be reached from a sandbox's start."""
        return [self._place.keep(path) for path in paths], ()

    def gather(self, entries: list[tuple[str, str, bool]], given: list[int]) -> Reply:
        """See `Place.gather`."""
        return self._place.gather(entries), ()

    def base(self, key: str, given: list[int]) -> Reply:
        """See `Stages.base`."""
        folder, new = self._stages.base(key)
        return new, (folder,)

    def forget_base(self, key: str, given: list[int]) -> Reply:
        """A base that could not be filled."""
        self._stages.forget(key)
        return None, ()

    def over_base(self, key: str, megabytes: int, given: list[int]) -> Reply:
        """See `Stages.over_base`."""
        number, folder = self._stages.over_base(key, megabytes)
        return number, (folder,)

    def over_tree(self, path: str, megabytes: int, given: list[int]) -> Reply:
        """See `Stages.over_tree`."""
        tree = os.open(path, os.O_PATH | os.O_DIRECTORY)
        try:
            number, folder = self._stages.over_tree(tree, megabytes)
        finally:
            os.close(tree)
        return number, (folder,)

    def layers(self, number: int, given: list[int]) -> Reply:
        """See `Stages.layers`."""
        return None, self._stages.layers(number)

    def drop(self, number: int, given: list[int]) -> Reply:
        """Remove a stage."""
        self._stages.drop(number)
        return None, ()

    def launch(
        self,
        command: list[str],
        workspace: str | int,
        shows: list[tuple[str, str]],
        groups: list[tuple[str, dict[str, str]]],
        given: list[int],
    ) -> Reply:
        """Start a sandbox: its pid, and a pidfd.

        `workspace`: a path, or the number of a stage; `groups`: cgroup folders to be made, with
        the values of their files; the rest is as in `Launches.start`.
        """
        path = workspace if isinstance(workspace, str) else self._stages.path(workspace)
        tree = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        folders: list[str] = []
        try:
            for folder, values in groups:
                self._group(folder, values)
                folders.append(folder)
            pid = self._launches.start(command, shows, folders, tree, given)
        except OSError:
            for folder in folders:
                self._ungroup(folder)
            raise
        finally:
            os.close(tree)
        return pid, (os.pidfd_open(pid),)

    def bring(
        self,
        pid: int,
        workspace: str | int,
        parts: list[tuple[str, bool]],
        lends: list[tuple[str, str]],
        given: list[int],
    ) -> Reply:
        """See `entering.bring`; the workspace as in `launch`."""
        path = workspace if isinstance(workspace, str) else self._stages.path(workspace)
        tree = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            bring(self._place, pid, tree, parts, lends)
        finally:
            os.close(tree)
        return None, ()

    def kill(self, pid: int, given: list[int]) -> Reply:
        """Kill a sandbox; its pidfd tells when it is gone."""
        self._launches.kill(pid)
        return None, ()

    def ungroup(self, folders: list[str], given: list[int]) -> Reply:
        """Remove cgroups that nobody is in any more."""
        for folder in folders:
            self._ungroup(folder)
        return None, ()

    def guard(self, kind: str, what: What, given: list[int]) -> Reply:
        """See `Guard.add`."""
        self._guard.add(kind, what)
        return None, ()

    def forget(self, kind: str, what: What, given: list[int]) -> Reply:
        """See `Guard.forget`."""
        self._guard.forget(kind, what)
        return None, ()

    def reap(self) -> None:
        """Take note of what has ended."""
        self._launches.reap()

    def end(self) -> None:
        """Kill and remove everything."""
        self._launches.end()
        self._guard.remove()

    def _group(self, folder: str, values: dict[str, str]) -> None:
        self._guard.add("cgroup", folder)
        os.mkdir(folder)
        for name, value in values.items():
            if os.path.exists(f"{folder}/{name}"):
                with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                    file.write(value)

    def _ungroup(self, folder: str) -> None:
        remove_group(folder)
        self._guard.forget("cgroup", folder)


def main() -> None:
    """Serve: the arguments are the socket's number, the parent's pid, and `private` or nothing."""
    end = socket(AF_UNIX, SOCK_SEQPACKET, 0, int(sys.argv[1]))
    os.set_inheritable(end.fileno(), False)  # Who holds it answers the host in our place.
    parent = os.pidfd_open(int(sys.argv[2]))
    warden = Warden(private="private" in sys.argv[3:])
    # A process that was forked from the parent may hold the socket open: both count.
    events = poll()
    events.register(end, POLLIN)
    events.register(parent, POLLIN)
    try:
        while parent not in (woken := dict(events.poll(1000))):
            warden.reap()
            if woken:
                _answer(warden, end)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        warden.end()


def _answer(warden: Warden, end: socket) -> None:
    """Take one request and do it.

    Raises:
        EOFError: there will be no more.
        OSError: nobody waits for the answer.
    """
    request, given = wire.receive(end)
    number, name, arguments = wire.request(request)
    try:
        value, descriptors = getattr(warden, name)(*arguments, given)
        answer: wire.Value = (number, "", value)
    except OSError as error:
        reason = error.strerror or str(error)
        answer = (number, f"{error.filename}: {reason}" if error.filename else reason, None)
        descriptors = ()
    finally:
        wire.close(given)
    wire.send(end, answer, descriptors)
    wire.close(list(descriptors))
