"""One command inside the sandbox: its process, and the pipes to and from it."""

import os
import resource

from sandbox.lent import kernel
from sandbox.lent.frames import KEPT, MERGED, WITH_INPUT, Order
from sandbox.lent.output import Capped
from sandbox.lent.settings import Settings

_PIECE = 2**16
_MOST_LEFT = 32
"""Pieces read once the command has ended; a pipe holds fewer."""


class Job:
    """A command from its start until the host knows all about it."""

    def __init__(self, number: int, order: Order) -> None:
        """`number`: how the host calls it."""
        self.number = number
        self.kept = bool(order.flags & KEPT)
        self.pid = 0
        self.status: int | None = None
        """As of `wait`, once it has ended."""
        self.peak = 0
        """KiB of its largest process."""
        self.over_memory = False
        self.asked = False
        """Whether the host waits for output."""
        self.out = Capped(order.output_bytes)
        self.err = Capped(order.output_bytes)
        self.cut = 0
        """Bytes cut from output that was handed out already."""
        self.pipes: dict[int, Capped] = {}
        """What is read, and where it goes."""
        self.input = -1
        self.taken = 0
        """Bytes of input that went to the command, or nowhere, since the host was told."""
        self._limit = order.output_bytes
        self._pending = bytearray()
        self._complete = False

    def start(self, order: Order, settings: Settings) -> None:
        """Fork and execute.

        Raises:
            OSError: no more processes or descriptors.
        """
        opened: list[int] = []
        try:
            theirs = self._open(order, opened)
            self.pid = os.fork()
            if self.pid == 0:
                _become(order, settings, theirs)
        except OSError:
            for file in opened:
                os.close(file)
            self.pipes.clear()
            self.input = -1
            raise
        for file in set(theirs):
            os.close(file)
        for file in (*self.pipes, self.input):
            if file >= 0:
                os.set_blocking(file, False)

    def _open(self, order: Order, opened: list[int]) -> tuple[int, int, int]:
        """The command's three descriptors; whatever gets opened is noted."""
        if order.flags & WITH_INPUT:
            stdin, self.input = os.pipe()
            opened += (stdin, self.input)
        else:
            stdin = os.open(os.devnull, os.O_RDONLY)
            opened.append(stdin)
        source, stdout = os.pipe()
        opened += (source, stdout)
        self.pipes[source] = self.out
        if order.flags & MERGED:
            return stdin, stdout, stdout
        source, stderr = os.pipe()
        opened += (source, stderr)
        self.pipes[source] = self.err
        return stdin, stdout, stderr

    def read(self, pipe: int) -> bool:
        """Take what is there; whether there may be more later."""
        try:
            data = os.read(pipe, _PIECE)
        except BlockingIOError:
            return True
        self.pipes[pipe].feed(data)
        if not data:
            os.close(pipe)
            del self.pipes[pipe]
        return bool(data)

    def give(self, data: bytes) -> None:
        """More input; none means that there is no more."""
        self._pending += data
        self._complete = self._complete or not data
        self.write()

    @property
    def thirsty(self) -> bool:
        """Whether input waits for the command to read."""
        return self.input >= 0 and bool(self._pending)

    def write(self) -> None:
        """Hand over as much input as the command takes; what it will never read is dropped."""
        gone = self.input < 0
        try:
            count = 0 if gone or not self._pending else os.write(self.input, self._pending)
        except BlockingIOError:
            count = 0
        except OSError:
            gone, count = True, 0
        count = len(self._pending) if gone else count
        self.taken += count
        del self._pending[:count]
        if self.input >= 0 and (gone or (self._complete and not self._pending)):
            os.close(self.input)
            self.input = -1

    def drain(self) -> None:
        """Take what the pipes still hold and close everything."""
        for pipe in list(self.pipes):
            for _ in range(_MOST_LEFT):
                before = self.pipes[pipe].seen
                if not self.read(pipe) or self.pipes[pipe].seen == before:
                    break
        for file in (*self.pipes, self.input):
            if file >= 0:
                os.close(file)
        self.pipes.clear()
        self.input = -1

    def hand_out(self) -> bytes:
        """The output so far, which is forgotten."""
        data = self.out.bytes()
        self.cut += self.out.cut
        self.out = Capped(self._limit)
        for pipe in self.pipes:
            self.pipes[pipe] = self.out
        return data


def _become(order: Order, settings: Settings, descriptors: tuple[int, int, int]) -> None:
    """Turn this child into the command; where that fails say so and end, as a shell does."""
    code, reason = 126, ""
    try:
        for place, file in enumerate(descriptors):
            os.dup2(file, place)
        os.setsid()
        kernel.release_signals()
        kernel.die_with_parent()
        for limit, value in settings.rlimits:
            most = resource.getrlimit(limit)[1]
            value = value if most < 0 else min(value, most)
            resource.setrlimit(limit, (value, value))
        os.chdir(order.workdir)
        if settings.landlock:
            kernel.scope_signals()
        code, reason = _execute(order.argv, order.env)
    except BaseException as error:  # noqa: BLE001 - a child must never go on as a supervisor
        reason = str(error)
    try:
        os.write(2, order.argv[0][:200] + b": " + reason.encode(errors="replace") + b"\n")
    finally:
        os._exit(code)


def _execute(argv: list[bytes], env: dict[bytes, bytes]) -> tuple[int, str]:
    """Execute it where PATH finds it; an exit code and the reason where that is not possible.

    `os.execvpe` would import a module first, in every child.
    """
    code, reason = 127, "command not found"
    folders = [b""] if b"/" in argv[0] else env.get(b"PATH", b"").split(b":")
    for folder in folders:
        try:
            os.execve(folder + b"/" + argv[0] if folder else argv[0], argv, env)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            code, reason = 126, str(error.strerror)
    if code == 127 and b"/" in argv[0]:
        reason = "No such file or directory"
    return code, reason
