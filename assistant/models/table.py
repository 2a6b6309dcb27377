"""Tables for the terminal: columns as wide as they must be, rows no wider than the screen."""

import shutil
from collections.abc import Sequence

from assistant.style import Look, Style
from assistant.untrusted import neutral

Row = Sequence[str]


def table(title: str, rows: Sequence[Row], style: Style, marked: int | None = None) -> str:
    """A titled table, or nothing where there are no rows.

    Args:
        title: what the rows are.
        rows: cells; the last of a row is dim and may be cut. All texts are made neutral here.
        style: colours or none.
        marked: the row that is in use, with a star before it.
    """
    if not rows:
        return ""
    cells = [[neutral(cell).replace("\n", " ") for cell in row] for row in rows]
    columns = range(max(map(len, cells)) - 1)
    widths = [max(len(row[at]) for row in cells if at < len(row) - 1) for at in columns]
    lines = [style(title, "bold")]
    for number, row in enumerate(cells):
        *first, last = row
        padded = "  ".join(cell.ljust(width) for cell, width in zip(first, widths, strict=False))
        mark, looks = ("* ", _USED) if number == marked else ("  ", ())
        start = f"{mark}{padded}".rstrip()
        left = _room() - len(start) - 2
        end = f"  {style(_cut(last, left), 'dim')}" if last and left > 3 else ""
        lines.append(style(start, *looks) + end)
    return "\n".join(lines) + "\n"


_USED: tuple[Look, ...] = ("green",)


def size(bytes: float) -> str:
    """Bytes for people: `1.1 GB`, `35 MB`, `372 kB`."""
    if bytes >= 1e9:
        return f"{bytes / 1e9:.1f} GB"
    return f"{bytes / 1e6:.0f} MB" if bytes >= 1e6 else f"{bytes / 1e3:.0f} kB"


def _room() -> int:
    # Where there is no terminal, nothing is cut: somebody may search in it.
    return shutil.get_terminal_size((1000, 24)).columns


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
