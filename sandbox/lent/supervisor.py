"""Runs commands inside the sandbox at the host's word: the one process of ours in there.

It lives as long as the channel, and all that it started dies with it. Single-threaded, standard
library only. It never waits for a command, a pipe or the host; the only thing that it waits for is
the death of what it kills, and not for long.
"""

import errno
import os
import select
import time

from sandbox.lent import frames, kernel, settings
from sandbox.lent.brood import Brood, kill
from sandbox.lent.frames import Decoder, Order, frame
from sandbox.lent.job import Job, NotRunnable
from sandbox.lent.network import listen, start_relay

_PIECE = 2**18
_WATCH = 0.1
"""Seconds between two looks at the memory."""
_DESCRIPTORS = 2**20
"""More than a process may have."""
_FORKS = 5
"""Tries to start a command while there are too many processes."""


class Supervisor:
    """The jobs that run, and what is to be told about them."""

    def __init__(self, source: int, sink: int) -> None:
        """`source`, `sink`: where the host's frames come from and where ours go."""
        self._source, self._sink = source, sink
        self._open = True
        self._decoder = Decoder()
        self._backlog = bytearray()
        self._settings = settings.Settings({})
        self._brood = Brood()
        self._jobs = self._brood.jobs
        self._poll = select.poll()
        self._readers: dict[int, Job] = {}
        self._writers: dict[int, Job] = {}
        self._listener = -1
        self._children = kernel.hold_signals()
        self._oom = _own_oom_file()
        self._oom_score = os.pread(self._oom, 16, 0) if self._oom >= 0 else b""
        for file in (source, sink):
            os.set_blocking(file, False)
        for file in (source, self._children):
            self._poll.register(file, select.POLLIN)

    def serve(self) -> None:
        """Until the channel is closed."""
        watched = time.monotonic()
        while self._open:
            watching = self._settings.watch_memory and self._jobs
            for file, _ in self._poll.poll(1000 * _WATCH if watching else None):
                self._handle(file)
            for job in [job for job in self._jobs.values() if job.status is not None]:
                self._finish(job)
            if watching and time.monotonic() - watched >= _WATCH:
                self._brood.watch_memory(self._settings.watch_memory)
                watched = time.monotonic()
            self._flush()
        self._jobs.clear()
        self._brood.relay = 0
        self._brood.sweep()

    def _handle(self, file: int) -> None:
        """Something can be read or written."""
        if file == self._source:
            self._hear()
        elif file == self._sink and not self._backlog:
            self._open = False  # Nothing is waited for but its end.
        elif file == self._children:
            os.read(file, 4096)
            self._brood.reap()
            if self._jobs:
                self._connect()
        elif file in self._readers:
            self._read(self._readers[file], file)
        elif file in self._writers:
            job = self._writers[file]
            job.write()
            self._feed(job)

    # --- The host ---

    def _hear(self) -> None:
        try:
            data = os.read(self._source, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._open = bool(data)
        for kind, number, payload in self._decoder.feed(data):
            self._obey(kind, number, payload)

    def _obey(self, kind: int, number: int, payload: bytes) -> None:
        if kind == frames.SETTINGS:
            self._settings = settings.unpack(payload)
            self._settings.limit()
            self._brood.alone = self._settings.alone
            self._connect()
            self._say(frames.READY)
        elif kind == frames.START:
            self._start(number, Order.unpack(payload))
        elif job := self._jobs.get(number):  # It may have ended meanwhile.
            self._change(job, kind, payload)

    def _change(self, job: Job, kind: int, payload: bytes) -> None:
        if kind == frames.INPUT:
            job.give(payload)
            self._feed(job)
        elif kind == frames.READ:
            job.asked = True
            self._answer(job)
        elif kind == frames.INTERRUPT and job.status is None:
            kill(-job.pid, kernel.SIGINT)
        elif kind == frames.KILL and job.status is None:
            kill(job.pid, kernel.SIGKILL)  # The rest goes once this has ended.

    def _say(self, kind: int, job: int = 0, payload: bytes = b"") -> None:
        self._backlog += frame(kind, job, payload)

    def _say_all(self, kind: int, job: int, data: bytes) -> None:
        for at in range(0, len(data), frames.CHUNK):
            self._say(kind, job, data[at : at + frames.CHUNK])

    def _flush(self) -> None:
        """Write what the host takes. There is never more than the jobs' output, which is capped."""
        try:
            while self._backlog:
                del self._backlog[: os.write(self._sink, self._backlog[:_PIECE])]
        except BlockingIOError:
            pass
        except OSError:
            self._open = False
        self._poll.register(self._sink, select.POLLOUT if self._backlog else 0)

    # --- Jobs ---

    def _start(self, number: int, order: Order) -> None:
        """Begin a job; where there are too many processes, without those that belong to none."""
        job, reason = Job(number, order), ""
        self._connect()
        code = 126
        for _ in range(_FORKS):
            try:
                self._fork(job, order)
            except OSError as error:
                full = error.errno == errno.EAGAIN
                reason = "too many processes" if full else str(error.strerror)
                self._brood.sweep()
                time.sleep(0.02)
                continue
            except NotRunnable as error:
                code, reason = error.code, error.reason
                break
            self._jobs[number] = job
            for pipe in job.pipes:
                self._readers[pipe] = job
                self._poll.register(pipe, select.POLLIN)
            return
        name = order.argv[0][:200].decode(errors="replace")
        self._say(frames.FAILED, number, bytes((code,)) + f"{name}: {reason}\n".encode())

    def _connect(self) -> None:
        """Have the relay run, again if somebody killed it; meanwhile connections wait."""
        if self._settings.proxy and not self._brood.relay:
            try:
                self._listener = listen() if self._listener < 0 else self._listener
                self._brood.relay = start_relay(self._settings.proxy, self._listener)
            except OSError:
                self._brood.relay = 0

    def _fork(self, job: Job, order: Order) -> None:
        """Start a command that the kernel kills before us when memory runs out.

        The score is inherited. We raise our own for that moment: the file of a child that nobody
        may look into cannot be opened.
        """
        self._score(b"1000")
        try:
            job.start(order, self._settings)
        finally:
            self._score(self._oom_score)

    def _score(self, score: bytes) -> None:
        if self._oom >= 0:
            try:
                os.pwrite(self._oom, score, 0)
            except OSError:
                self._oom = -1  # Not allowed here; then we are as good as any.

    def _read(self, job: Job, pipe: int) -> None:
        if not job.read(pipe):
            del self._readers[pipe]
            self._poll.unregister(pipe)
        self._answer(job)

    def _answer(self, job: Job) -> None:
        """Hand out what there is if the host waits for it."""
        if job.asked and job.out.seen:
            job.asked = False
            self._say_all(frames.OUT, job.number, job.hand_out())

    def _feed(self, job: Job) -> None:
        """Tell how much input was taken, and wait until more can be."""
        if job.taken:
            self._say(frames.TAKEN, job.number, frames.COUNT.pack(job.taken))
            job.taken = 0
        if job.thirsty and job.input not in self._writers:
            self._writers[job.input] = job
            self._poll.register(job.input, select.POLLOUT)
        elif not job.thirsty:
            self._unwatch(job, self._writers)

    def _unwatch(self, job: Job, files: dict[int, Job]) -> None:
        for file in [file for file, owner in files.items() if owner is job]:
            del files[file]
            self._poll.unregister(file)

    def _finish(self, job: Job) -> None:
        """The command has ended: kill what it left, tell the host all."""
        del self._jobs[job.number]
        left = self._brood.sweep()
        self._unwatch(job, self._readers)
        self._unwatch(job, self._writers)
        job.drain()
        self._say_all(frames.OUT, job.number, job.hand_out())
        self._say_all(frames.ERR, job.number, job.err.bytes())
        code = os.waitstatus_to_exitcode(job.status or 0)
        end = (code, job.peak, job.cut, job.err.cut, job.over_memory, left)
        self._say(frames.EXIT, job.number, frames.ENDED.pack(*end))


def _own_oom_file() -> int:
    """Where our score for the out-of-memory killer is; -1 where there is none."""
    try:
        return os.open("/proc/self/oom_score_adj", os.O_RDWR)
    except OSError:
        return -1


def main() -> None:
    """Serve on standard input and output; no command has them, nor what else was left open."""
    os.closerange(3, _DESCRIPTORS)
    channel = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    supervisor = Supervisor(*channel)
    kernel.guard()
    supervisor.serve()
