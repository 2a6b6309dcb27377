"""The processes inside the sandbox: which command each belongs to, and the end of those of none."""

import os
import time

from sandbox.lent import kernel
from sandbox.lent.job import Job
from sandbox.lent.processes import Processes

_PATIENCE = 1.5
"""Seconds that killed processes may take to end."""
_PAUSE = 0.0005
"""Seconds between two looks at whether they have."""


class Brood:
    """All that the supervisor has started, and what that has started."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        """By their numbers."""
        self.relay = 0
        """The pid of our own helper; 0 where there is none."""
        self.alone = False
        """Every process that we can see is one of these."""

    def reap(self) -> bool:
        """Note whose command has ended; whether any child is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            self.relay = 0 if pid == self.relay else self.relay
            for job in self.jobs.values():
                if job.pid == pid:
                    job.status, job.peak = status, usage.ru_maxrss

    def _roots(self) -> set[int]:
        """Of what may go on."""
        commands = {job.pid for job in self.jobs.values() if job.status is None}
        return commands | {self.relay} if self.relay else commands

    def sweep(self) -> bool:
        """Kill what belongs to no command that runs; whether something would not die.

        Orphans are our children: without any child nothing is left.
        """
        deadline = time.monotonic() + _PATIENCE
        stopped: set[int] = set()
        while self.reap():
            if self.alone and not self.jobs and not self.relay:
                kill(-1, kernel.SIGKILL)
            else:
                strays = Processes().strays(self._roots())
                if not strays:
                    return False
                # All stand still before the first dies: none starts another in between.
                fresh = strays - stopped
                for pid in fresh or strays:
                    kill(pid, kernel.SIGSTOP if fresh else kernel.SIGKILL)
                stopped |= fresh
            if time.monotonic() > deadline:
                return True
            time.sleep(_PAUSE)
        return False

    def watch_memory(self, most: int) -> None:
        """Where all together use more bytes the largest command goes, and with it all strays."""
        used = Processes().memory(self._roots())
        running = [job for job in self.jobs.values() if job.status is None]
        if running and sum(used.values()) > most:
            largest = max(running, key=lambda job: used.get(job.pid, 0))
            largest.over_memory = True
            kill(largest.pid, kernel.SIGKILL)


def kill(pid: int, number: int) -> None:
    """Send a signal to who may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # Or it changed its user, which only a bare sandbox lets it.
