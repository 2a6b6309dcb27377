"""The one way out of a sandbox that has a network: the relay to the proxy's socket."""

import os
import sys

from sandbox.lent import kernel

PORT = 3128
"""Where the relay listens on this machine's own address."""


def start_relay(proxy: str) -> int:
    """Start it and wait until it listens; its pid.

    Raises:
        OSError: it did not come to that.
    """
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(sink, 1)
            os.setsid()
            kernel.release_signals()
            kernel.die_with_parent()
            script = os.path.join(os.path.dirname(__file__), "relay.py")  # noqa: PTH118, PTH120
            line = [sys.executable, "-I", "-S", "-B", script, proxy, str(PORT)]
            os.execve(line[0], line, {})  # noqa: S606
        finally:
            os._exit(1)
    os.close(sink)
    heard = os.read(source, 100)
    os.close(source)
    if not heard:
        raise OSError(f"the relay to {proxy} did not start")
    return pid
