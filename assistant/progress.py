"""How far something is: a line that rewrites itself on a terminal, one now and then elsewhere."""

import shutil
import time
from typing import TextIO

from assistant.untrusted import neutral
from training.progress import Progress

PAUSE = 10.0
"""Seconds between two lines where there is no terminal."""


class Line:
    """Shows the newest news of one piece of work."""

    def __init__(self, stream: TextIO) -> None:
        """Show on `stream`."""
        self._stream = stream
        self._live = stream.isatty()
        self._shown = float("-inf")
        self._standing = False

    def show(self, text: str, *, last: bool = False) -> None:
        """Replace what was shown; the `last` news of something is always shown, and stays."""
        text = neutral(text).replace("\n", " ")
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            # The last one may wrap: nothing is going to replace it.
            self._stream.write(f"\r\x1b[K{text if last else text[:width]}")
            self._standing = True
        elif last or time.monotonic() - self._shown >= PAUSE:
            self._stream.write(text + "\n")
            self._shown = time.monotonic()
        self._stream.flush()
        if last:
            self.end()

    def end(self) -> None:
        """Leave what was shown standing and go to the next line."""
        if self._standing:
            self._stream.write("\n")
            self._stream.flush()
        self._standing = False


class Stages:
    """Work in stages: each has a line that rewrites itself until the stage is done."""

    def __init__(self, stream: TextIO) -> None:
        """Show on `stream`."""
        self._line = Line(stream)
        self._stage = ""

    def tell(self, progress: Progress) -> None:
        """Show a piece of news."""
        if self._stage not in ("", progress.stage):
            self._line.end()
        self._stage = progress.stage
        self._line.show(f"{progress.stage:<9} {progress.text}", last=progress.share == 1.0)

    def end(self) -> None:
        """Leave the last line standing."""
        if self._stage:
            self._line.end()
