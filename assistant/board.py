"""The stages of some work as a table that is drawn anew while they go on.

Where there is no terminal it is a line now and then, and the table once in the end.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from assistant.progress import Stages
from assistant.untrusted import neutral
from training.progress import Progress

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Row:
    """One stage."""

    name: str
    text: str = ""
    began: float = field(default_factory=time.monotonic)
    took: float | None = None
    """Seconds, once it is done."""


class Board:
    """All stages so far, newest last."""

    def __init__(self, stream: TextIO) -> None:
        """Show on `stream`; nothing is shown before `shown` is entered."""
        self.rows: list[Row] = []
        self._began = time.monotonic()
        self._stream = stream
        self._lines = None if stream.isatty() else Stages(stream)

    @contextmanager
    def shown(self) -> "Generator[Board]":
        """Draw while inside; the last drawing stays."""
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream)
        if self._lines is None:
            drawn: Any = Live(console=console, get_renderable=self.table, refresh_per_second=4)
            with drawn:
                yield self
            return
        try:
            yield self
        finally:
            self._lines.end()
        console.print(self.table())

    def tell(self, progress: Progress) -> None:
        """Take news of a stage in. Stages come one after the other; the share 1 ends one."""
        last = self.rows[-1] if self.rows else None
        again = last and last.name == progress.stage and (last.took is None or progress.share == 1)
        row = last if last and again else self._opened(progress.stage)
        row.text = neutral(progress.text)
        if progress.share == 1 and row.took is None:
            row.took = time.monotonic() - row.began
        if self._lines:
            self._lines.tell(progress)

    def _opened(self, name: str) -> Row:
        now = time.monotonic()
        for row in self.rows:
            row.took = now - row.began if row.took is None else row.took
        # What goes on between two stages belongs to the one that then tells of itself.
        began = self._began
        if self.rows:
            began = self.rows[-1].began + (self.rows[-1].took or 0.0)
        self.rows.append(Row(name, began=began))
        return self.rows[-1]

    def table(self) -> "Table":
        """The rows, for people."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column("stage", no_wrap=True)
        table.add_column("what came of it", overflow="fold", ratio=1)
        table.add_column("seconds", justify="right", no_wrap=True)
        for row in self.rows:
            took = time.monotonic() - row.began if row.took is None else row.took
            # As text: brackets in a sentence are no markup.
            style = "bold" if row.took is None else ""
            table.add_row(Text(row.name, style), Text(row.text), Text(f"{took:.0f} s", "dim"))
        return table
