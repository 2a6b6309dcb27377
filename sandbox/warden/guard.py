"""What must not outlive the process that made it: removed when that has ended, however it ended."""

import os
import time

What = str | tuple[str, ...]


class Guard:
    """A list of things to be removed, of the kinds in `KINDS`."""

    def __init__(self) -> None:
        """Nothing is guarded yet."""
        self._kept: dict[tuple[str, What], None] = {}

    def add(self, kind: str, what: What) -> None:
        """Remove this at the end."""
        self._kept[kind, what] = None

    def forget(self, kind: str, what: What) -> None:
        """It was removed already."""
        self._kept.pop((kind, what), None)

    def remove(self) -> None:
        """Remove everything; what cannot be removed stays."""
        for kind, what in reversed(list(self._kept)):
            try:
                KINDS[kind](what)
            except Exception:  # noqa: BLE001, S110 - the rest must go; nobody is left to be told
                pass
        self._kept.clear()


def remove_group(folder: What) -> None:
    """Remove a cgroup; waits up to 2 s until nobody is in it.

    Raises:
        OSError: somebody still is.
    """
    assert isinstance(folder, str)  # noqa: S101
    until = time.monotonic() + 2
    while True:
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > until:
                raise
            _kill_group(folder)
            time.sleep(0.001)
        else:
            return


def _kill_group(folder: str) -> None:
    with open(f"{folder}/cgroup.procs", encoding="ascii") as file:
        for pid in file.read().split():
            try:
                os.kill(int(pid), 9)
            except ProcessLookupError:
                continue


def _remove_tree(path: What) -> None:
    from pathlib import Path  # noqa: PLC0415

    from sandbox.delete import delete  # noqa: PLC0415

    assert isinstance(path, str)  # noqa: S101
    delete(Path(path))


def _remove_container(what: What) -> None:
    """`what`: the engine's unix socket and the container's id."""
    from http.client import HTTPConnection  # noqa: PLC0415
    from socket import AF_UNIX, socket  # noqa: PLC0415

    path, name = what
    with socket(AF_UNIX) as engine:
        engine.settimeout(20)
        engine.connect(path)
        connection = HTTPConnection("localhost")
        connection.sock = engine
        connection.request("DELETE", f"/containers/{name}?force=1&v=1")
        connection.getresponse().read()


KINDS = {
    "tree": _remove_tree,
    "cgroup": remove_group,
    "container": _remove_container,
}
"""How each kind of thing is removed."""
