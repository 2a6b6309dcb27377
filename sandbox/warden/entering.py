"""Bringing a workspace into a container that an engine has started and that has not done anything.

An engine can mount only what it finds by a path, under the owners that it has. Here the owner of
the workspace is shown as the user that the container runs as, and copy-on-write workspaces, which
only the warden sees, can be brought in as well. The mounts are the container's: they end with it.
"""

import os

from sandbox.warden import kernel
from sandbox.warden.place import Place


def bring(
    place: Place, pid: int, tree: int, parts: list[tuple[str, bool]], lends: list[tuple[str, str]]
) -> None:
    """Mount a workspace in the container whose first process is `pid`, as /workspace.

    `parts`: folders and files in it that are mounts of their own, and whether they are read-only;
    `lends`: files of the machine and where they are inside, in folders that can be written to.

    Raises:
        OSError: it cannot be done.
    """
    failed = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _bring(place, pid, tree, parts, lends)
        except OSError as error:
            os.write(failed[1], f"{error.errno} {error.filename}: {error.strerror}".encode())
        finally:
            os._exit(0)
    os.close(failed[1])
    with os.fdopen(failed[0], "rb") as file:
        said = file.read().decode(errors="replace")
    os.waitpid(child, 0)
    if said:
        code, _, reason = said.partition(" ")
        raise OSError(int(code), reason)


def _bring(
    place: Place, pid: int, tree: int, parts: list[tuple[str, bool]], lends: list[tuple[str, str]]
) -> None:
    # Copies are made where the originals are, and placed where the container is.
    whole = _shown(place, tree)
    given = [(_shown(place, os.open(path, os.O_PATH)), inside) for path, inside in lends]
    kernel.enter_mounts(pid)
    kernel.placed(whole, "/workspace")
    for path, readonly in parts:
        folder = os.open("/workspace", os.O_PATH | os.O_DIRECTORY)
        part = kernel.copied(kernel.beneath(folder, path), None, readonly=readonly)
        kernel.placed(part, f"/workspace/{path}")
    for copy, inside in given:
        os.close(os.open(inside, os.O_CREAT | os.O_NOFOLLOW, 0o600))
        kernel.placed(copy, inside)


def _shown(place: Place, descriptor: int) -> int:
    """A copy in which the owner is who the container runs as."""
    own = os.fstat(descriptor).st_uid == place.shown
    return kernel.copied(descriptor, None if own else place.users(descriptor))
