"""Stays beside a supervisor that has no namespace: what is left when that was killed goes too."""

import os

from sandbox.lent import kernel, supervisor
from sandbox.lent.brood import Brood


def main() -> None:
    """Start the supervisor, wait for its end, and kill all that it has started."""
    kernel.hold_signals()
    kernel.guard()
    child = os.fork()
    if child == 0:
        kernel.die_with_parent()
        supervisor.main()
        return
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):  # The channel is the supervisor's: its end must be noticed.
        os.dup2(null, number)
    while os.wait()[0] != child:
        pass
    Brood().sweep()
