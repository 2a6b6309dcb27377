"""The system calls that commands may not make, as a classic BPF program.

Closes what namespaces leave open: address families other than UNIX and IP (AF_VSOCK reaches the
host of a virtual machine), raw sockets, io_uring, the kernel's keyring, new namespaces and mounts,
pushing input into a terminal, and foreign ABIs, whose numbers a filter would misread. For x86-64
and aarch64; on other machines there is no filter.

Sources: seccomp(2), the kernel's `linux/filter.h` and `asm/unistd.h`.
"""

import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_MASK = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000

_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; of an argument the low half counts, as in the kernel."""

_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
_RAW = 3
_TYPE = 0xF
_NEW_NAMESPACE = 0x7E020000
"""All CLONE_NEW* flags that clone takes; CLONE_NEWTIME is for unshare and clone3 only."""
_PUSHING = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_X32 = 0x40000000

Instruction = tuple[int, int, int, int]
"""Code, jumps if true and if false, operand."""


@dataclass(frozen=True)
class _Machine:
    """What differs between machines."""

    arch: int
    socket: int
    clone: int
    clone3: int
    ioctl: int
    refused: tuple[int, ...]


# acct, add_key, bpf, clock_settime, delete_module, finit_module, fsconfig, fsmount, fsopen, fspick,
# init_module, io_uring_enter, io_uring_register, io_uring_setup, kexec_file_load, kexec_load,
# keyctl, lookup_dcookie, mount, mount_setattr, move_mount, move_pages, name_to_handle_at,
# open_by_handle_at, open_tree, perf_event_open, pivot_root, quotactl, reboot, request_key, setns,
# settimeofday, swapoff, swapon, syslog, umount2, unshare, userfaultfd; on x86-64 also iopl, ioperm,
# modify_ldt, uselib, ustat.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, 41, 56, 435, 16,
        (163, 248, 321, 227, 176, 313, 431, 432, 430, 433, 175, 426, 427, 425, 320, 246, 250, 212,
         165, 442, 429, 279, 303, 304, 428, 298, 155, 179, 169, 249, 308, 164, 168, 167, 103, 166,
         272, 323, 172, 173, 154, 134, 136),
    ),
    "aarch64": _Machine(
        0xC00000B7, 198, 220, 435, 29,
        (89, 217, 280, 112, 106, 273, 431, 432, 430, 433, 105, 426, 427, 425, 294, 104, 219, 18,
         40, 442, 429, 239, 264, 265, 428, 241, 41, 60, 142, 218, 268, 170, 225, 224, 116, 39, 97,
         282),
    ),
}  # fmt: skip


@cache
def program(machine: str = platform.machine()) -> bytes | None:
    """The filter in the form that `bwrap --seccomp` reads; None for a machine not known here."""
    found = _MACHINES.get(machine)
    if found is None:
        return None
    return b"".join(struct.pack("=HBBI", *line) for line in _lines(found))


def _lines(machine: _Machine) -> Iterable[Instruction]:
    yield (_LOAD, 0, 0, _ARCH)
    yield (_EQUAL, 1, 0, machine.arch)
    yield (_RETURN, 0, 0, _KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    yield (_AT_LEAST, 0, 1, _X32)
    yield _refusal(errno.ENOSYS)
    for number in machine.refused:
        yield from _when(number, [_refusal(errno.EPERM)])
    # glibc then takes clone, whose flags a filter can see.
    yield from _when(machine.clone3, [_refusal(errno.ENOSYS)])
    yield from _when(machine.clone, _refused_bits(0, _NEW_NAMESPACE))
    yield from _when(machine.socket, _sockets())
    yield from _when(machine.ioctl, _refused_values(1, _PUSHING))
    yield (_RETURN, 0, 0, _ALLOW)


def _when(number: int, body: list[Instruction]) -> list[Instruction]:
    """Do `body` for one system call; the number is in the accumulator before and after."""
    restored = [*body, (_LOAD, 0, 0, _NUMBER)] if len(body) > 1 else body
    return [(_EQUAL, 0, len(restored), number), *restored]


def _refusal(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _argument(index: int) -> Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _refused_bits(index: int, bits: int) -> list[Instruction]:
    return [_argument(index), (_ANY_BIT, 0, 1, bits), _refusal(errno.EPERM)]


def _refused_values(index: int, values: Iterable[int]) -> list[Instruction]:
    lines = [_argument(index)]
    for value in values:
        lines += [(_EQUAL, 0, 1, value), _refusal(errno.EPERM)]
    return lines


def _sockets() -> list[Instruction]:
    """Only the known families, and no raw socket."""
    lines = [_argument(0)]
    for left, family in zip(range(len(_FAMILIES) - 1, -1, -1), _FAMILIES, strict=True):
        lines.append((_EQUAL, left + 1, 0, family))
    return [
        *lines,
        _refusal(errno.EAFNOSUPPORT),
        _argument(1),
        (_MASK, 0, 0, _TYPE),
        (_EQUAL, 0, 1, _RAW),
        _refusal(errno.EPERM),
    ]
