"""The filter of system calls: as a BPF program for the kernel, as JSON for container engines.

For x86-64 and aarch64; on other machines there is no filter. Foreign ABIs, whose numbers a filter
would misread, are closed.

Sources: seccomp(2), the kernel's `linux/filter.h`; the OCI runtime specification, "Seccomp".
"""

import errno
import platform
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from sandbox.refusals import COMMON, NUMBERS, Condition, Rule

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_ABOVE = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_MASK = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_ASK = 0x7FC00000

_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; of an argument the low half counts, as in the kernel."""
_X32 = 0x40000000
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Place in `refusals.NUMBERS`, and AUDIT_ARCH_*."""

Instruction = tuple[int, int, int, int]
"""Code, jumps if true and if false, operand."""


@cache
def program(machine: str = platform.machine(), rules: tuple[Rule, ...] = COMMON) -> bytes | None:
    """The filter as `struct sock_filter`s, as `bwrap --seccomp` reads them.

    None for a machine that is not known here.
    """
    if machine not in _MACHINES:
        return None
    place, arch = _MACHINES[machine]
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        _refusal(errno.ENOSYS),
    ]
    for call in dict.fromkeys(call for rule in rules for call in rule.calls):
        number = NUMBERS[call][place]
        if number is not None:
            lines += _call(number, [rule for rule in rules if call in rule.calls])
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


@cache
def watching(calls: tuple[str, ...], machine: str = platform.machine()) -> bytes:
    """A filter that asks whoever listens to it what to do with these calls."""
    lines: list[Instruction] = [(_LOAD, 0, 0, _NUMBER)]
    for number in numbers(calls, machine):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ASK)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def numbers(calls: Iterable[str], machine: str = platform.machine()) -> dict[int, str]:
    """The calls that the machine has, by their numbers."""
    place, _ = _MACHINES[machine]
    found = ((NUMBERS[call][place], call) for call in calls)
    return {number: call for number, call in found if number is not None}


def profile(rules: Sequence[Rule] = COMMON) -> dict[str, object]:
    """The same for container engines; their library adds the closing of foreign ABIs."""
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {
                "names": list(rule.calls),
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": rule.error,
                "args": [_argument(condition) for condition in rule.where],
            }
            for rule in rules
        ],
    }


def _argument(condition: Condition) -> dict[str, object]:
    """A condition in the engines' words; theirs is on all 64 bits, so it is masked."""
    if condition.above:
        # What is above with the other half is refused as well: no program means that.
        return {"index": condition.index, "value": condition.value, "op": "SCMP_CMP_GT"}
    return {
        "index": condition.index,
        "value": condition.mask,
        "valueTwo": condition.value,
        "op": "SCMP_CMP_MASKED_EQ",
    }


def _call(number: int, rules: Iterable[Rule]) -> list[Instruction]:
    """Refuse one system call as told; the number is in the accumulator before and after."""
    body: list[Instruction] = []
    for rule in rules:
        body += _rule(rule)
    if len(body) > 1:
        body.append((_LOAD, 0, 0, _NUMBER))
    return [(_EQUAL, 0, len(body), number), *body]


def _rule(rule: Rule) -> Iterator[Instruction]:
    """Refuse where all conditions hold; else go on behind the last instruction."""
    tests = [_test(condition) for condition in rule.where]
    left = sum(len(test) for test in tests) + 1
    for *before, (code, _, _, operand) in tests:
        left -= len(before) + 1
        yield from before
        yield (code, 0, left, operand)
    yield _refusal(rule.error)


def _test(condition: Condition) -> list[Instruction]:
    """Load an argument and compare it; where to go from there is set by the caller."""
    masked = [(_MASK, 0, 0, condition.mask)] if condition.mask != 0xFFFFFFFF else []
    code = _ABOVE if condition.above else _EQUAL
    load = (_LOAD, 0, 0, _ARGUMENTS + 8 * condition.index)
    return [load, *masked, (code, 0, 0, condition.value)]


def _refusal(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)
