"""Messages between a process and its warden: values and descriptors over a seqpacket socket.

`marshal`, because nothing else that could carry them is loaded this fast; both ends are ours and
run the same Python.
"""

import array
import marshal
import os

# Not `socket`, which takes the warden as long to import as all the rest.
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_RIGHTS, SOL_SOCKET, socket

_LARGEST = 2**16
"""Bytes that a socket takes everywhere; what is longer goes by a file in memory."""
_ELSEWHERE = b"\0"
"""In place of the bytes: they are in the first of the descriptors."""
_DESCRIPTORS = 8

Value = object
"""None, bool, int, str, and tuples, lists and dicts of them."""


def send(end: socket, value: Value, descriptors: tuple[int, ...] = ()) -> None:
    """Send one message.

    Raises:
        OSError: the other end is gone.
    """
    data = marshal.dumps(value)  # pyright: ignore[reportArgumentType]
    if len(data) <= _LARGEST:
        _send(end, data, descriptors)
        return
    file = os.memfd_create("message")
    try:
        while data:
            data = data[os.write(file, data) :]
        _send(end, _ELSEWHERE, (file, *descriptors))
    finally:
        os.close(file)


def _send(end: socket, data: bytes, descriptors: tuple[int, ...]) -> None:
    rights = [(SOL_SOCKET, SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end.sendmsg([data], rights)


def receive(end: socket) -> tuple[Value, list[int]]:
    """The next message and its descriptors, which are the receiver's to close.

    Raises:
        EOFError: there is none: the other end is gone.
        OSError: the other end is gone, or the message cannot be taken.
    """
    room = CMSG_SPACE(_DESCRIPTORS * 4)
    data, rights, flags, _ = end.recvmsg(_LARGEST, room, MSG_CMSG_CLOEXEC)
    found = array.array("i")
    for level, kind, raw in rights:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            found.frombytes(raw[: len(raw) - len(raw) % found.itemsize])
    descriptors = list(found)
    if not data:
        raise EOFError("the other end is gone")
    if flags & MSG_CTRUNC:
        close(descriptors)
        raise OSError(24, "too many open files")
    if data == _ELSEWHERE:
        file = descriptors.pop(0)
        try:
            data = os.pread(file, os.fstat(file).st_size, 0)
        finally:
            os.close(file)
    return marshal.loads(data), descriptors


def request(value: Value) -> tuple[int, str, tuple[Value, ...]]:
    """A message as a request: its number, what is asked for, and with what."""
    assert isinstance(value, tuple)  # noqa: S101
    number, name, arguments = value  # pyright: ignore[reportUnknownVariableType]
    return number, name, arguments  # pyright: ignore[reportUnknownVariableType]


def close(descriptors: list[int]) -> None:
    """Close them all."""
    for descriptor in descriptors:
        os.close(descriptor)
