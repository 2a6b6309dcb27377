"""What is known of a command once it has ended."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Completed:
    """The end of one sandboxed command. Its output is untrusted text."""

    exit_code: int
    """The command's status; minus the signal's number when a signal ended it."""
    stdout: str
    """Decoded as UTF-8 with replacement; head and tail are kept where it was cut."""
    stderr: str
    seconds: float
    timed_out: bool = False
    truncated: bool = False
    """Output was cut to `Limits.output_bytes` on one of the two streams."""
    peak_mb: float = 0.0
    """Memory of its largest process; never less than the supervisor's own, 6 to 10, which is what
    the kernel counts for it before it becomes the command. 0 where nobody measured it."""
    killed: str = ""
    """Which limit killed it, in words for a model: `more than 2048 MB of memory`; mostly empty."""
    refused: tuple[str, ...] = ()
    """Connections that the network's rules refused while it ran, each a sentence."""

    @property
    def ok(self) -> bool:
        """The command ended by itself with status 0."""
        return self.exit_code == 0 and not self.timed_out and not self.killed
