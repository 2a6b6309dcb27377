"""What is kept of a stream that may be endless: its head and its tail."""


class Capped:
    """Takes bytes as they come and never holds more than `limit` of them."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes kept in all; half from the start, half from the end."""
        self._head_room = limit - limit // 2
        self._tail_room = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._seen = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self._seen += len(data)
        room = self._head_room - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Trimmed only once it is twice too long, so that a flood costs linear time.
        if len(self._tail) > 2 * self._tail_room:
            del self._tail[: len(self._tail) - self._tail_room]

    @property
    def seen(self) -> int:
        """How many bytes came."""
        return self._seen

    @property
    def cut(self) -> int:
        """How many bytes were dropped."""
        return max(0, self._seen - self._head_room - self._tail_room)

    def bytes(self) -> bytes:
        """What was kept; where something was cut a line of its own says how much."""
        tail = bytes(self._tail[max(0, len(self._tail) - self._tail_room) :])
        if not self.cut:
            return bytes(self._head) + tail
        return bytes(self._head) + b"\n[... %d bytes cut ...]\n" % self.cut + tail

    def text(self) -> str:
        """The same as text; bytes that are not UTF-8 become U+FFFD."""
        return self.bytes().decode("utf-8", errors="replace")
