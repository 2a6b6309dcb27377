"""Where a text is in a file, and what to say of it where it is not there exactly once."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher as Matcher
from itertools import islice

from sandbox.snapshot import unified
from tools.clip import LIMIT
from tools.misses import Miss
from tools.textfile import TextFile

_WINDOWS = 4000
"""How many places are compared at most to find the closest one."""
_WORK = 2**24
"""Pairs of equal characters that are looked at in all, which takes about a second."""
_COUNTED = 1000
_LISTED = 10
_SHOWN = 4
_WIDTH = 120
_LEAST_LIKENESS = 0.3
_LONG = 40
"""Lines of a region that is shown by its differences only."""
_SMALL = 300
"""Lines of a file that a model can well write whole."""
_NUMBERED = re.compile(r"^ *\d+\t", re.MULTILINE)


def place(file: TextFile, path: str, old: str) -> tuple[int, int]:
    """Where `old` is in the file's own text, from and to.

    Line ends count as equal where the exact ones are not found.

    Raises:
        Miss: it is not there, or more than once.
    """
    search = old if old in file.raw else file.fitted(old)
    found = [(at, at + len(search)) for at in islice(_starts_of(search, file.raw), _COUNTED)]
    found = found or _loose(file.raw, old)
    if len(found) == 1:
        return found[0]
    if found:
        said = _ambiguous(file.raw, path, [start for start, _ in found])
    else:
        said = _closest(file.shown, path, old)
    raise Miss(said, len(file.raw) <= LIMIT and file.raw.count("\n") < _SMALL)


def _starts_of(search: str, text: str) -> Iterator[int]:
    at = text.find(search)
    while at >= 0:
        yield at
        at = text.find(search, at + 1)


def _loose(raw: str, old: str) -> list[tuple[int, int]]:
    """Places in a text with mixed line ends, where any line end matches any."""
    if "\n" not in old or "\r\n" not in raw:
        return []
    plain, search = raw.replace("\r\n", "\n"), old.replace("\r\n", "\n")
    # The line feeds of `plain` that were CR LF: whatever is behind them lies one further in `raw`.
    ends = [at.start() - n for n, at in enumerate(re.finditer("\r\n", raw))]
    starts = list(islice(_starts_of(search, plain), _COUNTED))
    return [
        (
            at + bisect_right(ends, at - 1),
            at + len(search) + bisect_right(ends, at + len(search) - 1),
        )
        for at in starts
    ]


def _ambiguous(text: str, path: str, starts: list[int]) -> str:
    """Where all the matches are, and the first ones with the line before."""
    numbers: list[int] = []
    number, last = 1, 0
    for at in starts:
        number, last = number + text.count("\n", last, at), at
        numbers.append(number)
    listed = ", ".join(map(str, numbers[:_LISTED])) + (", ..." if len(numbers) > _LISTED else "")
    times = f"{len(numbers)}" if len(numbers) < _COUNTED else f"{_COUNTED} or more"
    blocks = [_around(text, at, number) for at, number in zip(starts, numbers, strict=True)]
    return (
        f"old occurs {times} times in {path}, at lines {listed}. "
        "Add the lines around it, so that it occurs once.\n" + "--\n".join(blocks[:_SHOWN])
    )


def _around(text: str, at: int, number: int) -> str:
    """A match's first line and the one before, with their numbers."""
    begin = text.rfind("\n", 0, at) + 1
    before = text.rfind("\n", 0, max(begin - 1, 0)) + 1
    lines = text[before : begin + _WIDTH * 8].split("\n")
    count = 2 if begin else 1
    return "".join(
        f"{number - count + 1 + n}: {line[:_WIDTH].rstrip()}\n"
        for n, line in enumerate(lines[:count])
    )


def _closest(text: str, path: str, old: str) -> str:
    """The region that is most like what was looked for, and the difference."""
    if _NUMBERED.sub("", old) != old and _NUMBERED.sub("", old) in text:
        return f"old was not found in {path}: leave out the line numbers and tabs that begin lines."
    if old in text:
        return f"{path} holds bytes there that are not UTF-8; use run_python to change it."
    lines, wanted = text.split("\n"), old.removesuffix("\n").split("\n")
    best, likeness = _likest(lines, wanted)
    if likeness < _LEAST_LIKENESS:
        return f"old was not found in {path}, nor anything like it. read_file shows the file."
    if likeness == 1:
        return f"old was not found in {path}: the file ends there without a line end; leave it out."
    end = min(best + len(wanted), len(lines))
    region = lines[best:end]
    shown = "\n".join(region) + "\n" if len(region) <= _LONG else ""
    return (
        f"old was not found in {path}. The closest text is lines {best + 1}-{end}:\n{shown}"
        f"{_difference(wanted, region)}[Copy old from there exactly.]"
    )


def _likest(lines: list[str], wanted: list[str]) -> tuple[int, float]:
    """Where the region that is most like `wanted` starts, and how like it is, from 0 to 1."""
    best, likeness, room = 0, 0.0, float(_WORK)
    text, matcher = "\n".join(wanted), Matcher(autojunk=False)
    matcher.set_seq2(text)
    for start in _starts(lines, wanted):
        region = "\n".join(lines[start : start + len(wanted)])
        room -= len(region)
        if room < 0:
            break
        matcher.set_seq1(region)
        if matcher.real_quick_ratio() > likeness and matcher.quick_ratio() > likeness:
            ratio, room = _ratio(region, text, room, matcher)
            if ratio > likeness:
                best, likeness = start, ratio
    return best, likeness


def _ratio(one: str, two: str, room: float, matcher: Matcher[str]) -> tuple[float, float]:
    """How like two texts are, and what is left of the room; `matcher` has both.

    As the matcher's own ratio, which takes minutes for what repeats itself; this one takes what it
    has found for all there is once the room is used up.
    """
    counts = Counter(two)
    pairs = sum(counts[character] * n for character, n in Counter(one).items())
    share, matched = pairs / max(len(one) * len(two), 1), 0
    pending = [(0, len(one), 0, len(two))]
    while pending:
        start, end, low, high = pending.pop()
        # The matcher begins with the first character of the other text, wherever it shall look.
        room -= (end - start) * (1 + high * share)
        if room < 0:
            break
        found = matcher.find_longest_match(start, end, low, high)
        if found.size:
            matched += found.size
            pending.append((start, found.a, low, found.b))
            pending.append((found.a + found.size, end, found.b + found.size, high))
    return 2 * matched / max(len(one) + len(two), 1), room


def _starts(lines: list[str], wanted: list[str]) -> list[int]:
    """Line numbers from 0 where the region may start; in long files only likely ones."""
    every = range(max(1, len(lines) - len(wanted) + 1))
    if len(every) * len(wanted) <= _WINDOWS:
        return list(every)
    known = {line.strip(): index for index, line in enumerate(wanted) if line.strip()}
    common = [
        start
        for number, line in enumerate(lines)
        if line.strip() in known and (start := number - known[line.strip()]) >= 0
    ]
    return list(dict.fromkeys(common))[: _WINDOWS // max(1, len(wanted))]


def _difference(wanted: list[str], region: list[str]) -> str:
    """What to change in `old`, as a small diff; white space made visible where it is all."""
    note = "The difference (- your old, + the file):\n"
    if ["".join(line.split()) for line in wanted] == ["".join(line.split()) for line in region]:
        note = "Only white space differs (- your old, + the file; tabs and line ends marked):\n"
        wanted, region = _visible(wanted), _visible(region)
    diff = unified("\n".join(wanted) + "\n", "\n".join(region) + "\n", "old", "file")
    kept = [line for line in diff.split("\n")[2:] if not line.startswith("@@")]
    return note + "\n".join(line[: 3 * _WIDTH] for line in kept)


def _visible(lines: list[str]) -> list[str]:
    return [line.replace("\t", "→") + "¶" for line in lines]
