"""The one way out of a sandbox that has a network: the relay to the proxy's socket."""

import _socket
import os
import sys

from sandbox.lent import kernel

PORT = 3128
"""Where the relay listens on this machine's own address."""
_WAITING = 256
"""Connections that wait for a relay."""


def listen() -> int:
    """Take the port, as a descriptor: it stays ours, and connections wait, when a relay is killed.

    Raises:
        OSError: it is somebody else's.
    """
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", PORT))
    listener.listen(_WAITING)
    return listener.detach()


def start_relay(proxy: str, listener: int) -> int:
    """Start it; its pid.

    Raises:
        OSError: there are too many processes.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            kernel.release_signals()
            kernel.die_with_parent()
            os.set_inheritable(listener, True)
            script = os.path.join(os.path.dirname(__file__), "relay.py")  # noqa: PTH118, PTH120
            line = [sys.executable, "-I", "-S", "-B", script, proxy, str(listener)]
            os.execve(line[0], line, {})  # noqa: S606
        finally:
            os._exit(1)
    return pid
