"""Confines itself by Landlock and seccomp, and then becomes the supervisor.

What it is told is a marshalled plan in descriptor 3; see `sandbox/landlock.py`. Beside it stays an
attendant that does for commands what neither Landlock nor seccomp can judge by itself.

Sources: landlock(7), seccomp(2), capabilities(7).
"""

import _socket
import array
import ctypes
import marshal
import os

from sandbox.lent import attendant, supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes as long to load as all the rest.
    from typing import Any

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_FILTER, _LISTENER = 1, 8  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER
_DEATH_SIGNAL, _BOUND_DROP, _SECURE_BITS, _NO_NEW_PRIVILEGES = 1, 24, 28, 38
_NO_ROOT = 0xEF
"""Being user 0 gives nothing, and that cannot be changed."""
_CAPABILITIES = 0x20080522
_OF_FILES = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000
"""Execute, write, read, truncate, device control: what can be said of something but a folder."""
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _drop(owner: tuple[int, int] | None) -> None:
    """Become the workspace's owner, where we may; whoever is root has no capabilities any more."""
    if os.geteuid() != 0:
        return
    if owner:
        os.setgroups([])
        os.setgid(owner[1])
    for capability in range(64):
        if _libc.prctl(_BOUND_DROP, capability, 0, 0, 0) < 0:
            break  # There are no more.
    _checked(_libc.prctl(_SECURE_BITS, _NO_ROOT, 0, 0, 0), "prctl")
    if owner:
        os.setuid(owner[0])
    header = _CAPABILITIES.to_bytes(4, "little") + bytes(4)
    _checked(_libc.capset(header, bytes(24)), "capset")


def _confine(handled: tuple[int, int, int], rules: list[tuple[str, int]]) -> None:
    """Enter a domain where only what the rules say may be done with files."""
    attributes = b"".join(number.to_bytes(8, "little") for number in handled)
    domain = _checked(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(24), 0), "landlock")
    for path, access in rules:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # Not every machine has all of it.
        if os.fstat(place).st_mode & 0o170000 != 0o040000:
            access &= _OF_FILES
        rule = access.to_bytes(8, "little") + place.to_bytes(4, "little")
        _checked(_libc.syscall(_ADD, domain, 1, rule, 0), path)
        os.close(place)
    _checked(_libc.syscall(_RESTRICT, domain, 0), "landlock")
    os.close(domain)


def _filter(program: bytes, flags: int) -> int:
    """Add a filter of system calls; with `_LISTENER`, who decides listens to the descriptor."""
    data = ctypes.create_string_buffer(program, len(program))
    line = (len(program) // 8).to_bytes(8, "little") + ctypes.addressof(data).to_bytes(8, "little")
    number = _SECCOMP[os.uname().machine]
    return _checked(_libc.syscall(number, _FILTER, flags, line), "seccomp")


def main() -> None:
    """Read the plan, be confined, serve."""
    plan = marshal.loads(os.pread(3, 2**24, 0))  # noqa: S302 - ours
    os.closerange(3, 2**20)
    _drop(plan["owner"])
    _checked(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    if os.fork():
        theirs.close()
        _attend(ours, plan)
        os._exit(0)
    ours.close()
    _libc.prctl(_DEATH_SIGNAL, 9, 0, 0, 0)
    listener = _filter(plan["watched"], _LISTENER)
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [listener]))
    theirs.sendmsg([b"x"], [rights])
    os.close(listener)
    theirs.close()
    _confine(plan["handled"], plan["rules"])
    _filter(plan["filter"], 0)
    supervisor.main()


def _attend(ours: _socket.socket, plan: "dict[str, Any]") -> None:
    """Stay as the attendant until nobody is left who could ask."""
    _, rights, _, _ = ours.recvmsg(1, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
    if not rights:
        return
    listener = array.array("i", rights[0][2])[0]
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):  # The channel is the supervisor's: its end must be noticed.
        os.dup2(null, number)
    attendant.serve(listener, plan["names"], tuple(plan["roots"]))
