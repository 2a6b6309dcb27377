"""What a terminal that becomes narrower makes of rows that stand on it: none may be left behind."""

import os
from collections.abc import Mapping, Sequence

from prompt_toolkit.application import Application
from prompt_toolkit.output.vt100 import Vt100_Output


class ReflowingOutput(Vt100_Output):
    """Erases also the rows into which the terminal has broken those that became too long for it.

    Does not cover: a terminal of which the environment does not tell that it cuts rows instead;
    there the line above the prompt goes as well.
    """

    _rows: Sequence[int] = ()
    _columns = 0

    def note(self, app: "Application[str]") -> None:
        """Take notice of what was drawn: call it after each repaint."""
        screen = app.renderer.last_rendered_screen
        if screen is None or not reflows(os.environ):
            return
        cursor = screen.get_cursor_position(app.layout.current_window)
        above = [screen.data_buffer[y] for y in range(cursor.y)]
        widths = [
            max((x + 1 for x, c in row.items() if c.char.strip()), default=0) for row in above
        ]
        # Of the cursor's own row, what is before the cursor.
        self._rows, self._columns = (*widths, cursor.x + 1), self.get_size().columns

    def erase_down(self) -> None:
        """Erase from the place where the drawing began, wherever the terminal has it now."""
        columns = self.get_size().columns
        if columns < self._columns:
            self.cursor_up(sum(max(width - 1, 0) // columns for width in self._rows))
        self._rows = ()
        super().erase_down()


def reflows(environ: Mapping[str, str]) -> bool:
    """Whether a terminal breaks long rows anew when its width changes: nearly all do."""
    if "TMUX" in environ:
        return True
    cutting = environ.get("TERM", "").startswith(("linux", "rxvt", "screen"))
    return not cutting and "XTERM_VERSION" not in environ
