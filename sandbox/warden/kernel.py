"""System calls that Python does not offer, by ctypes.

Sources: mount(2), unshare(2), setns(2), open_tree(2), mount_setattr(2), move_mount(2),
user_namespaces(7).
"""

import ctypes
import os

NEW_MOUNTS, NEW_USERS = 0x20000, 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
READ_ONLY, NOSUID, NODEV, REMOUNT, BIND, RECURSIVE, SLAVE = 1, 2, 4, 32, 4096, 16384, 1 << 19
_DETACH = 2
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE, _CLOEXEC, _EMPTY_PATH = 1, 0o2000000, 0x1000
_IDMAP, _ATTR_READ_ONLY, _FROM_EMPTY_PATH = 0x100000, 1, 4
_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return result


def _call(number: int, *arguments: int | bytes, what: str) -> int:
    typed = (ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments)
    return _checked(_libc.syscall(ctypes.c_long(number), *typed), what)


def unshare(namespaces: int) -> None:
    """Leave the namespaces of the parent."""
    _checked(_libc.unshare(namespaces), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount; see mount(2)."""
    raw = (os.fsencode(text) for text in (source, target, kind))
    flag = ctypes.c_ulong(flags)
    _checked(_libc.mount(*raw, flag, os.fsencode(options)), f"mount {kind or source} {target}")


def unmount(target: str) -> None:
    """Take a mount away, with all that is below; whoever still uses it may go on."""
    _checked(_libc.umount2(os.fsencode(target), _DETACH), f"umount {target}")


def copied(
    folder: int, users: int | None, *, recursive: bool = False, readonly: bool = False
) -> int:
    """A mount of what a descriptor refers to that is nowhere yet.

    `users`: a user namespace by which owners are shown (an idmapped mount), or None.

    Raises:
        OSError: the kernel or the file system cannot.
    """
    whole = 0x8000 if recursive else 0  # AT_RECURSIVE
    flags = _CLONE | _CLOEXEC | _EMPTY_PATH | whole
    tree = _call(_OPEN_TREE, folder, b"", flags, what="open_tree")
    given = (_IDMAP if users is not None else 0) | (_ATTR_READ_ONLY if readonly else 0)
    try:
        if given:
            how = b"".join(n.to_bytes(8, "little") for n in (given, 0, 0, users or 0))
            _call(_MOUNT_SETATTR, tree, b"", _EMPTY_PATH | whole, how, len(how), what="attributes")
    except OSError:
        os.close(tree)
        raise
    return tree


def placed(tree: int, target: str) -> None:
    """Mount what `copied` gave, and close it."""
    try:
        _call(_MOVE_MOUNT, tree, b"", -100, os.fsencode(target), _FROM_EMPTY_PATH, what=target)
    finally:
        os.close(tree)


def attach(folder: int, target: str, users: int | None, *, recursive: bool = False) -> None:
    """Mount what a descriptor refers to a second time; `users` as in `copied`."""
    placed(copied(folder, users, recursive=recursive), target)


def idmappable(folder: int, users: int) -> bool:
    """Whether the file system of a folder can show its files under other owners."""
    try:
        os.close(copied(folder, users))
    except OSError:
        return False
    return True


def enter_mounts(pid: int) -> None:
    """Go to where the first process of a container sees its files.

    Raises:
        OSError: it is not the first of any.
    """
    space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Its number may be another's by now, and its files the machine's.
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            first = any(line.split()[::2] == ["NSpid:", "1"] for line in file)
        if not first:
            raise OSError(3, "no container", str(pid))
        _checked(_libc.setns(space, NEW_MOUNTS), "setns")
    finally:
        os.close(space)


def users(owner: int, group: int, shown: int) -> int:
    """A user namespace that shows the files of `owner` and `group` as those of `shown`."""
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            unshare(NEW_USERS)
            os.write(ready[1], b"x")
            os.close(go[1])
            os.read(go[0], 1)
        finally:
            os._exit(0)
    try:
        os.close(ready[1])
        os.read(ready[0], 1)
        for name, number in (("uid_map", owner), ("gid_map", group)):
            write(f"/proc/{pid}/{name}", f"{number} {shown} 1\n")
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for descriptor in (ready[0], *go):
            os.close(descriptor)
        os.waitpid(pid, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends."""
    _checked(_libc.prctl(_SUBREAPER, 1, 0, 0, 0), "prctl")


def write(path: str, text: str) -> None:
    """Write to a file that is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def beneath(folder: int, path: str) -> int:
    """Open a path below a folder (O_PATH), following no link."""
    current = os.dup(folder)
    for part in path.split("/"):
        try:
            found = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
        finally:
            os.close(current)
        current = found
    if _is_link(current):
        os.close(current)
        raise OSError(40, "is a link", path)
    return current


def _is_link(descriptor: int) -> bool:
    return os.fstat(descriptor).st_mode & 0o170000 == 0o120000
