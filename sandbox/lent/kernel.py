"""What the supervisor asks of the kernel that Python has no quick word for.

`signal` would do for half of it, but it brings `enum`: 4 ms of a start of 40.
"""

import ctypes
import os

SIGINT, SIGKILL, SIGPIPE, SIGCHLD, SIGSTOP, SIGXFSZ = 2, 9, 13, 17, 19, 25
IGNORED = (SIGPIPE, SIGXFSZ)
"""By Python, when it starts."""
_BLOCK, _SET = 0, 2
_DEATH_SIGNAL, _DUMPABLE, _SUBREAPER = 1, 4, 36
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_SCOPE_SIGNAL = 2
_libc = ctypes.CDLL(None, use_errno=True)


def hold_signals() -> int:
    """Let no signal but the death of a child reach us; a descriptor that tells of those."""
    _libc.signal(SIGCHLD, None)  # Ignored, as somebody may have left it, children would vanish.
    every = ctypes.create_string_buffer(b"\xff" * 128, 128)
    _libc.sigprocmask(_BLOCK, every, None)
    child = ctypes.create_string_buffer((1 << (SIGCHLD - 1)).to_bytes(128, "little"), 128)
    return int(_libc.signalfd(-1, child, os.O_CLOEXEC | os.O_NONBLOCK))


def release_signals() -> None:
    """The opposite, in a child, and what Python ignores is not ignored any more."""
    for number in (SIGINT, *IGNORED):
        _libc.signal(number, None)
    _libc.sigprocmask(_SET, ctypes.create_string_buffer(128), None)


def guard() -> None:
    """Nobody of the same user may look into us, and all orphans become ours."""
    _libc.prctl(_DUMPABLE, 0, 0, 0, 0)
    _libc.prctl(_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the supervisor is; what we start ourselves is not."""
    _libc.prctl(_DEATH_SIGNAL, SIGKILL, 0, 0, 0)


def scope_signals() -> None:
    """Enter a Landlock domain that no signal leaves.

    Raises:
        OSError: the kernel knows none (before Landlock ABI 6).
    """
    attributes = ctypes.create_string_buffer(_SCOPE_SIGNAL.to_bytes(8, "little").rjust(24, b"\0"))
    domain = _libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(24), 0)
    if domain < 0 or _libc.syscall(_LANDLOCK_RESTRICT, domain, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no Landlock domain: {os.strerror(number)}")
    os.close(domain)
