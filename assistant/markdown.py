"""Markdown for the terminal, line by line as it streams in: headings, code spans, fenced code."""

import re

from pygments import lex, lexers
from pygments.lexer import Lexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String
from pygments.util import ClassNotFound

from assistant.style import Look, Style

CONTEXT = 40
"""Lines of a fenced block that are lexed for one line; a longer string loses its colour."""

# A token is coloured like the nearest of its ancestors that stands here.
_LOOKS: dict[object, Look] = {
    Comment: "dim",
    Keyword: "cyan",
    Name.Function: "bold",
    Name.Class: "bold",
    Name.Decorator: "yellow",
    Number: "yellow",
    Operator.Word: "cyan",
    String: "green",
}


_SPAN = re.compile(r"`([^`]+)`|\*\*(\S(?:[^*]*\S)?)\*\*")
"""Code, or strong words."""


class Markdown:
    """Renders the lines of one answer; knows whether the next line is code."""

    def __init__(self, style: Style) -> None:
        """Start outside of any fence."""
        self._style = style
        self._fence = ""
        self._lexer: Lexer | None = None
        self._block: list[str] = []

    def line(self, text: str) -> str:
        """One line, neutral and without its newline, ready to be printed."""
        marks = re.match(r"\s*(`{3,}|~{3,})\s*(\S*)", text)
        if self._fence:
            if marks and marks[1].startswith(self._fence) and not marks[2]:
                self._fence = ""
                return self._style(text, "dim")
            return self._code(text)
        if marks:
            self._fence, self._block = marks[1], []
            self._lexer = _lexer(marks[2])
            return self._style(text, "dim")
        if re.match(r"#{1,6} ", text):
            return self._style(text, "bold")
        return _SPAN.sub(self._span, text)

    def _span(self, span: re.Match[str]) -> str:
        return self._style(span[1], "cyan") if span[1] else self._style(span[2], "bold")

    def _code(self, text: str) -> str:
        self._block = [*self._block[1 - CONTEXT :], text]
        if not (self._lexer and self._style.colours):
            return text
        tokens = list(lex("\n".join(self._block), self._lexer))
        return _last_line("".join(self._paint(kind, part) for kind, part in tokens))

    def _paint(self, kind: object, part: str) -> str:
        looks = _look(kind)
        # Painted line by line, so that no colour runs over the end of a line.
        return "\n".join(self._style(piece, *looks) for piece in part.split("\n"))


def _last_line(painted: str) -> str:
    """The lexer ends its output with a newline of its own."""
    return painted.removesuffix("\n").rpartition("\n")[2]


def _look(kind: object) -> tuple[Look, ...]:
    while kind is not None:
        if found := _LOOKS.get(kind):
            return (found,)
        kind = getattr(kind, "parent", None)
    return ()


def _lexer(language: str) -> Lexer | None:
    try:
        return (
            lexers.get_lexer_by_name(language, stripnl=False, ensurenl=True) if language else None
        )
    except ClassNotFound:
        return None
