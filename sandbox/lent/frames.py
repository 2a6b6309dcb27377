"""What the host and the supervisor say to each other: frames over a stream of bytes.

A frame is a kind, the number of a job (0 where it is about none) and a payload. Everything here is
imported inside the sandbox too, where a start must be quick: `json` or `dataclasses` would cost
more than the rest of it.
"""

from struct import Struct
from struct import error as StructError

SETTINGS = 1
"""First of all. Payload: `settings.pack`."""
START = 2
"""Begin a job. Payload: `Order.pack`."""
INPUT = 3
"""Bytes for the command's standard input; none: there is no more."""
READ = 4
"""Asks for the output of a kept job; one OUT answers once there is some."""
INTERRUPT = 5
KILL = 6
READY = 16
"""Answers SETTINGS."""
OUT = 17
ERR = 18
TAKEN = 19
"""The command took that many bytes of its input. Payload: `COUNT`."""
EXIT = 20
"""The last of a job. Payload: `ENDED`."""
FAILED = 21
"""Instead of EXIT: the command never ran. Payload: a byte, its exit code, and why, as text."""
KINDS = frozenset(
    (SETTINGS, START, INPUT, READ, INTERRUPT, KILL, READY, OUT, ERR, TAKEN, EXIT, FAILED)
)
LONGEST = 2**22
"""Bytes of a payload."""
CHUNK = 2**18
"""Bytes that longer output and input are cut to."""
COUNT = Struct("!I")
ENDED = Struct("!iQQQBB")
"""Exit code or minus the signal; peak memory in KiB; bytes cut from output and from errors; whether
the memory's watchdog killed it; whether processes are left that could not be killed."""
_HEADER = Struct("!IBI")
_ORDER = Struct("!BIHI")
MERGED, KEPT, WITH_INPUT = 1, 2, 4
"""Flags of an order."""


class BadFrame(Exception):
    """These bytes are no frame."""


def frame(kind: int, job: int, payload: bytes = b"") -> bytes:
    """As it goes over the wire."""
    return _HEADER.pack(len(payload), kind, job) + payload


class Decoder:
    """Takes bytes as they come and never holds more than one frame and one piece."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """The frames that are complete now: kind, job, payload.

        Raises:
            BadFrame: this is no frame, or one that is too long.
        """
        self._held += data
        frames: list[tuple[int, int, bytes]] = []
        at = 0
        while len(self._held) - at >= _HEADER.size:
            length, kind, job = _HEADER.unpack_from(self._held, at)
            if length > LONGEST or kind not in KINDS:
                raise BadFrame(f"a frame of kind {kind} and {length} bytes")
            end = at + _HEADER.size + length
            if len(self._held) < end:
                break
            frames.append((kind, job, bytes(self._held[at + _HEADER.size : end])))
            at = end
        del self._held[:at]
        return frames


class Order:
    """What to run and what to keep of it. No text in it holds a NUL."""

    def __init__(
        self,
        argv: list[bytes],
        env: dict[bytes, bytes],
        workdir: bytes,
        output_bytes: int,
        flags: int = 0,
    ) -> None:
        """`output_bytes`: kept of each stream. `flags`: of MERGED, KEPT, WITH_INPUT."""
        self.argv = argv
        self.env = env
        self.workdir = workdir
        self.output_bytes = output_bytes
        self.flags = flags

    def pack(self) -> bytes:
        """As a payload."""
        parts = [self.workdir, *self.argv]
        for name, value in self.env.items():
            parts += (name, value)
        header = _ORDER.pack(self.flags, self.output_bytes, len(self.env), len(self.argv))
        return header + b"\0".join(parts)

    @staticmethod
    def unpack(payload: bytes) -> "Order":
        """The opposite of `pack`.

        Raises:
            BadFrame: it is no order.
        """
        try:
            flags, output_bytes, variables, arguments = _ORDER.unpack_from(payload)
        except StructError as error:
            raise BadFrame("an order without a head") from error
        parts = payload[_ORDER.size :].split(b"\0")
        if len(parts) != 1 + arguments + 2 * variables:
            raise BadFrame("an order of another length than it says")
        env = dict(zip(parts[1 + arguments :: 2], parts[2 + arguments :: 2], strict=True))
        return Order(parts[1 : 1 + arguments], env, parts[0], output_bytes, flags)
