"""Colours, as the escape codes that every terminal knows, or none at all."""

import os
from dataclasses import dataclass
from typing import Literal, TextIO

Look = Literal["bold", "dim", "red", "green", "yellow", "cyan"]

_CODES: dict[Look, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}


@dataclass(frozen=True)
class Style:
    """Whether there are colours, and the only place that writes an escape code."""

    colours: bool

    @staticmethod
    def of(stream: TextIO) -> "Style":
        """Colours on a terminal, unless NO_COLOR is set or the terminal is dumb."""
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
        return Style(stream.isatty() and not plain)

    def __call__(self, text: str, *looks: Look) -> str:
        """`text`, which must be neutral, in these looks."""
        if not (self.colours and looks and text):
            return text
        codes = ";".join(_CODES[look] for look in looks)
        return f"\x1b[{codes}m{text}\x1b[0m"
