"""Changes modes, owners and times for commands that Landlock confines, in their workspace only.

Landlock does not judge such calls, and a filter cannot see paths: so the kernel asks here. Nothing
is waved through: what is asked for is done here, on the very file that was judged.

Sources: seccomp_unotify(2), the kernel's `linux/seccomp.h`.
"""

import ctypes
import errno
import fcntl
import os
import select
import struct
from collections.abc import Callable

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_HERE = -100  # AT_FDCWD
_NO_FOLLOW, _EMPTY = 0x100, 0x1000  # AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
_NOW = 0x3FFFFFFF
_LONGEST = 4096
_libc = ctypes.CDLL(None, use_errno=True)


class _Call:
    """One system call of a process that waits for its result."""

    def __init__(self, pid: int, arguments: tuple[int, ...], roots: tuple[str, ...]) -> None:
        self.pid = pid
        self.arguments = arguments
        self._roots = roots

    def memory(self, address: int, size: int) -> bytes:
        """What the process has there, or less."""
        file = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(file, size, address)
        finally:
            os.close(file)

    def text(self, address: int) -> bytes:
        """A path, which may end where its page does."""
        found = b""
        while b"\0" not in found and len(found) < _LONGEST:
            at = address + len(found)
            found += (piece := self.memory(at, 4096 - at % 4096))
            if not piece:
                raise OSError(errno.EFAULT, "no path")
        path, end, _ = found.partition(b"\0")
        if not end or len(path) >= _LONGEST:
            raise OSError(errno.ENAMETOOLONG, "too long")
        return path

    def number(self, index: int) -> int:
        """An argument that is an int."""
        return ctypes.c_int(self.arguments[index]).value

    def at(self, folder: int, address: int, flags: int) -> str:
        """The file that a folder and a path mean, open, as a path; for this process only.

        Raises:
            OSError: there is none, or it is not the workspace's.
        """
        path = self.text(address) if address else b""
        if not path and address and not flags & _EMPTY:
            raise OSError(errno.ENOENT, "no path")
        base = f"/proc/{self.pid}/cwd" if folder == _HERE else f"/proc/{self.pid}/fd/{folder}"
        for name in (b"/proc/self/", b"/proc/thread-self/"):
            if path.startswith(name):
                path = f"/proc/{self.pid}/".encode() + path[len(name) :]
        where = os.open(base, os.O_PATH | os.O_CLOEXEC)
        if path:
            follow = os.O_NOFOLLOW if flags & _NO_FOLLOW else 0
            try:
                found = os.open(path, os.O_PATH | os.O_CLOEXEC | follow, dir_fd=where)
            finally:
                os.close(where)
            where = found
        return self._judged(where)

    def _judged(self, file: int) -> str:
        path = f"/proc/self/fd/{file}"
        real = os.readlink(path)  # noqa: PTH115
        inside = any(real == root or real.startswith(f"{root}/") for root in self._roots)
        try:
            # Of another container's files the path may sound the same.
            if not inside or not os.path.samestat(os.lstat(real), os.fstat(file)):
                raise OSError(errno.EPERM, "outside")
        except OSError:
            os.close(file)
            raise
        return path

    def mode(self, folder: int, path: int, mode: int, flags: int = 0) -> None:
        """Change a mode."""
        file = self.at(folder, path, flags)
        _done(os.chmod, file, self.arguments[mode] & 0o1777)

    def owner(self, folder: int, path: int, first: int, flags: int = 0) -> None:
        """Change owner and group."""
        file = self.at(folder, path, flags)
        _done(os.chown, file, self.number(first), self.number(first + 1))

    def times(self, folder: int, path: int, times: bytes, flags: int = 0) -> None:
        """Change times, given as two `struct timespec`."""
        _done(_set_times, self.at(folder, path, flags), times)


def _done(change: Callable[..., None], file: str, *arguments: object) -> None:
    try:
        change(file, *arguments)
    finally:
        os.close(int(file.rpartition("/")[2]))


def _set_times(file: str, times: bytes) -> None:
    if _libc.utimensat(_HERE, file.encode(), times, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _timespecs(call: _Call, address: int, kind: str, factor: int) -> bytes:
    """Times in nanoseconds; those of now where there is no address."""
    if not address:
        return struct.pack("=qqqq", 0, _NOW, 0, _NOW)
    data = call.memory(address, struct.calcsize(kind))
    values = struct.unpack(kind, data)
    pairs = values if len(values) == 4 else (values[0], 0, values[1], 0)
    return struct.pack("=qqqq", pairs[0], pairs[1] * factor, pairs[2], pairs[3] * factor)


def _utimensat(call: _Call) -> None:
    times = _timespecs(call, call.arguments[2], "=qqqq", 1)
    call.times(call.number(0), call.arguments[1], times, call.number(3))


def _no_attributes(call: _Call) -> None:
    raise OSError(errno.ENOTSUP, "no extended attributes")


_ANSWERS: dict[str, Callable[[_Call], None]] = {
    "chmod": lambda c: c.mode(_HERE, c.arguments[0], 1),
    "fchmod": lambda c: c.mode(c.number(0), 0, 1),
    "fchmodat": lambda c: c.mode(c.number(0), c.arguments[1], 2),
    "fchmodat2": lambda c: c.mode(c.number(0), c.arguments[1], 2, c.number(3)),
    "chown": lambda c: c.owner(_HERE, c.arguments[0], 1),
    "lchown": lambda c: c.owner(_HERE, c.arguments[0], 1, _NO_FOLLOW),
    "fchown": lambda c: c.owner(c.number(0), 0, 1),
    "fchownat": lambda c: c.owner(c.number(0), c.arguments[1], 2, c.number(4)),
    "utime": lambda c: c.times(_HERE, c.arguments[0], _timespecs(c, c.arguments[1], "=qq", 1)),
    "utimes": lambda c: c.times(
        _HERE, c.arguments[0], _timespecs(c, c.arguments[1], "=qqqq", 1000)
    ),
    "futimesat": lambda c: c.times(
        c.number(0), c.arguments[1], _timespecs(c, c.arguments[2], "=qqqq", 1000)
    ),
    "utimensat": _utimensat,
}
"""How a call is done; every other one fails."""


def serve(listener: int, names: dict[int, str], roots: tuple[str, ...]) -> None:
    """Answer until there is nobody any more who could ask.

    `names`: of the calls, by their numbers; `roots`: folders whose files may be changed.
    """
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        (_, event), *_ = poll.poll()
        if not event & select.POLLIN:
            return
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
        except OSError:
            continue  # Who asked was killed meanwhile.
        number, pid, _, name, _, _, *arguments = _NOTICE.unpack(notice)
        failure = 0
        try:
            _ANSWERS.get(names.get(name, ""), _no_attributes)(_Call(pid, tuple(arguments), roots))
        except OSError as error:
            failure = error.errno or errno.EPERM
        except (ValueError, struct.error, OverflowError):
            failure = errno.EFAULT
        try:
            fcntl.ioctl(listener, _SEND, _ANSWER.pack(number, 0, -failure, 0))
        except OSError:
            continue
