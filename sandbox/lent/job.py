"""One command inside the sandbox: its process, and the pipes to and from it."""

import errno
import os

from sandbox.lent import kernel
from sandbox.lent.frames import KEPT, MERGED, WITH_INPUT, Order
from sandbox.lent.output import Capped
from sandbox.lent.settings import Settings

_PIECE = 2**16
_MOST_LEFT = 32
"""Pieces read once the command has ended; a pipe holds fewer."""
_SHORTAGE = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class NotRunnable(Exception):
    """A command that cannot be executed: exit code and reason, as a shell has them."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


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
            NotRunnable: there is no such program, or it is none.
            OSError: no more processes or descriptors.
        """
        opened: list[int] = []
        try:
            os.chdir(order.workdir)
            path = _find(order.argv[0], order.env)
            theirs = self._open(order, opened)
            self.pid = _spawn(order, settings, path, theirs)
        except (OSError, NotRunnable) as error:
            for file in opened:
                os.close(file)
            self.pipes.clear()
            self.input = -1
            if isinstance(error, NotRunnable) or error.errno in _SHORTAGE:
                raise
            raise _unable(error) from error
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


def _unable(error: OSError) -> NotRunnable:
    """As a shell puts it."""
    return NotRunnable(127 if error.errno == errno.ENOENT else 126, str(error.strerror))


def _find(name: bytes, env: dict[bytes, bytes]) -> bytes:
    """The file to execute, as PATH has it.

    Raises:
        NotRunnable: there is none.
    """
    if b"/" in name:
        return name
    found = [folder + b"/" + name for folder in env.get(b"PATH", b"").split(b":") if folder]
    found = [path for path in found if name and os.path.isfile(path)]  # noqa: PTH113
    for path in found:
        if os.access(path, os.X_OK):
            return path
    if found:
        raise NotRunnable(126, os.strerror(errno.EACCES))
    raise NotRunnable(127, "command not found")


def _spawn(order: Order, settings: Settings, path: bytes, pipes: tuple[int, int, int]) -> int:
    """Fork and execute; the pid. Several times faster than `os.fork`, which copies all pages.

    What is set of us is inherited: limits, folder. Nothing else of ours is open in there.

    Raises:
        OSError: of both.
    """
    if not settings.alone:  # No namespace ends with us.
        return _fork(order, path, pipes, scoped=settings.landlock)
    return os.posix_spawn(
        path,
        order.argv,
        order.env,
        file_actions=[(os.POSIX_SPAWN_DUP2, file, place) for place, file in enumerate(pipes)],
        setsid=True,
        setsigmask=(),
        setsigdef=kernel.IGNORED,
    )


def _fork(order: Order, path: bytes, pipes: tuple[int, int, int], *, scoped: bool) -> int:
    """The same for a child that does more than `os.posix_spawn` can: it dies when we do."""
    pid = os.fork()
    if pid:
        return pid
    failure = NotRunnable(126, "")
    try:
        for place, file in enumerate(pipes):
            os.dup2(file, place)
        os.setsid()
        kernel.release_signals()
        kernel.die_with_parent()
        if scoped:
            kernel.scope_signals()
        os.execve(path, order.argv, order.env)  # noqa: S606
    except OSError as error:
        failure = _unable(error)
    except BaseException as error:  # noqa: BLE001 - a child must never go on as a supervisor
        failure = NotRunnable(126, repr(error))
    finally:
        os.write(2, order.argv[0][:200] + f": {failure.reason}\n".encode(errors="replace"))
        os._exit(failure.code)
