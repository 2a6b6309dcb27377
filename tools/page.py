"""Some lines of a file, as many as fit into an observation; the file may be huge."""

import shlex
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from tools.call import ToolError
from tools.clip import LIMIT, Clipped
from tools.textfile import LARGEST, PROBE, TextFile, binary, decoded

_CHUNK = 2**20
_FURTHEST = 2**32
"""Bytes that are searched at most for the first line asked for; that takes a few seconds."""
_LINE_FEED = 10
_ROOM = LIMIT - 200
"""Characters of lines in an observation; the rest is for what is said about them."""
_WINDOW = 2**16
"""Bytes of a huge file that are read to be shown; more than an observation holds."""


@dataclass(frozen=True)
class Page:
    """Lines of a file that follow each other, with their ends."""

    path: str
    lines: list[str]
    of: str
    """What they are a part of: a number of lines or of bytes."""
    first: int = 1
    """Number of the first, counted from 1."""
    ends: bool = True
    """The last one is the file's last."""

    def shown(self, start: int, end: int, numbers: bool) -> str:
        """Lines `start` to `end` (0: all); where that is not the file, the line above says so.

        Raises:
            ToolError: there are no such lines.
        """
        known = self.first + len(self.lines) - 1
        last = min(end or known, known)
        if not self.first <= start <= last:
            raise ToolError(
                f"{self.path} has {self.of}; there is no line {start} to {end or last}."
            )
        chosen = self.lines[start - self.first : last + 1 - self.first]
        more = last == known and not self.ends and (end == 0 or end > known)
        if len(chosen[0]) > _ROOM:
            return self._part(chosen[0], start, more or last > start)
        if numbers:
            chosen = [f"{start + n}\t{line}" for n, line in enumerate(chosen)]
        fits = _fitting(chosen)
        text, more = "".join(chosen[:fits]), more or fits < len(chosen)
        if (start, fits) == (1, len(self.lines)) and self.ends:
            return text
        rest = f"; go on with start={start + fits}" if more else ""
        of = self.of.removesuffix(" lines")
        shown = f"[lines {start}-{start + fits - 1} of {of}{rest}]\n{text}"
        return Clipped(shown) if rest else shown

    def _part(self, line: str, number: int, more: bool) -> str:
        """The start of a line that is longer than an observation, and how to see more of it."""
        shown = line[:_ROOM]
        after = len(shown.encode())
        way = f"sed -n {number}p -- {shlex.quote(self.path)} | cut -b {after + 1}-{after + _ROOM}"
        rest = f"; go on with start={number + 1}" if more else ""
        return Clipped(
            f"[line {number} of {self.of.removesuffix(' lines')}, its first {len(shown)} "
            f"characters; to see more of it: shell `{way}`{rest}]\n{shown}\n"
        )


def whole(path: str, file: BinaryIO, size: int) -> Page:
    """All lines of a file that fits into memory.

    Raises:
        ToolError: it is no text.
    """
    data = file.read(LARGEST)
    text = decoded(data)
    if text is None:
        raise binary(path, data, size)
    lines = split(text.shown)
    return Page(path, lines, f"{len(lines)} lines")


def window(path: str, file: BinaryIO, size: int, start: int) -> Page:
    """Some 64 KiB of lines of a huge file from `start` on; the rest of it is not kept in memory.

    Raises:
        ToolError: it is no text, has no such line, or that is too far away.
    """
    head = file.read(_WINDOW)
    text = decoded(head[: head.rfind(b"\n") + 1] or head[:-4])
    if text is None or text.encoding.startswith("utf-16"):
        raise binary(path, head[:PROBE], size)
    file.seek(_offset(path, file, start))
    data = file.read(_WINDOW)
    if not data:
        raise ToolError(f"{path} has {start - 1} lines; there is no line {start}.")
    # The line that the window cuts lies beyond what an observation holds.
    ends = file.tell() >= size
    errors = "surrogateescape" if text.encoding == "utf-8" else "replace"
    lines = split(TextFile(data.decode(text.encoding, errors)).shown)
    return Page(path, lines, f"{size} bytes", start, ends)


def split(text: str) -> list[str]:
    """The lines with their ends, split at line feeds only."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _offset(path: str, file: BinaryIO, start: int) -> int:
    """Where a line begins, in bytes."""
    file.seek(0)
    before, passed, last = start - 1, 0, b"\n"
    while before > 0:
        chunk = file.read(_CHUNK)
        if not chunk:
            lines = start - 1 - before + (last != b"\n")
            raise ToolError(f"{path} has {lines} lines; there is no line {start}.")
        if passed >= _FURTHEST:
            raise ToolError(
                f"Line {start} of {path} is more than {_FURTHEST} bytes away; use sed in shell."
            )
        count = chunk.count(b"\n")
        if count >= before:
            ends = (at + 1 for at, byte in enumerate(chunk) if byte == _LINE_FEED)
            return passed + next(islice(ends, before - 1, None))
        before, passed, last = before - count, passed + len(chunk), chunk[-1:]
    return passed


def _fitting(lines: list[str]) -> int:
    """How many whole lines fit into an observation; at least one."""
    room = _ROOM
    for count, line in enumerate(lines):
        room -= len(line)
        if room < 0:
            return max(count, 1)
    return len(lines)
