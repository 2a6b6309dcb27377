"""From a file as it is to a file as it should be, in the few small edits an engineer would make."""

import ast
import io
from dataclasses import dataclass
from difflib import SequenceMatcher

MOST_HUNKS = 6
MOST_CHANGED = 0.5
"""Share of the old lines beyond which a file is written anew."""


@dataclass(frozen=True)
class Edit:
    """Replace `search`, which occurs exactly once, by `replace`."""

    search: str
    replace: str


@dataclass(frozen=True)
class _Hunk:
    """Old lines `low` to `high` become `lines`."""

    low: int
    high: int
    lines: tuple[str, ...]


def edits(old: str, new: str) -> list[Edit]:
    """Edits that, applied in order, make `old` do what `new` does; none if rewriting is simpler.

    Hunks that only touch comments or docstrings of a Python file are left out: the result may
    differ from `new` in these, never in its syntax tree.
    """
    # Lines as Python counts them: `splitlines` also splits at form feeds and separators.
    before, after = (io.StringIO(text, newline="").readlines() for text in (old, new))
    hunks = _needed(before, _hunks(before, after), new)
    changed = sum(max(hunk.high - hunk.low, len(hunk.lines)) for hunk in hunks)
    if not hunks or len(hunks) > MOST_HUNKS or changed > MOST_CHANGED * len(before):
        return []
    # From the end, so that the line numbers of the hunks still to come stay true.
    found: list[Edit] = []
    for hunk in reversed(hunks):
        found.append(_edit(before, hunk))
        before[hunk.low : hunk.high] = hunk.lines
    return found


def _hunks(before: list[str], after: list[str]) -> list[_Hunk]:
    """What differs between the two, strings that stand alone at the top level left aside."""
    lines, other = _code(before), _code(after)
    matcher = SequenceMatcher(
        None, [before[i] for i in lines], [after[i] for i in other], autojunk=False
    )
    ends = [*lines, len(before)]
    return [
        _Hunk(
            low=ends[i1],
            high=ends[i2 - 1] + 1 if i2 > i1 else ends[i1],
            lines=tuple(after[i] for i in other[j1:j2]),
        )
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def _code(lines: list[str]) -> list[int]:
    """Indices of the lines that belong to no bare string of the module."""
    try:
        body = ast.parse("".join(lines)).body
    except (SyntaxError, ValueError, RecursionError):
        body = []
    strings = [range(n.lineno - 1, n.end_lineno or n.lineno) for n in body if _bare_string(n)]
    return [i for i in range(len(lines)) if not any(i in span for span in strings)]


def _edit(lines: list[str], hunk: _Hunk) -> Edit:
    """Widen the hunk line by line until its text is there and unique."""
    low, high, text = hunk.low, hunk.high, "".join(lines)
    while (low, high) != (0, len(lines)):
        search = "".join(lines[low:high])
        # Not `count`, which does not see occurrences that overlap.
        if search.strip() and text.find(search) == text.rfind(search):
            break
        low, high = max(0, low - 1), min(len(lines), high + 1)
    replaced = [*lines[low : hunk.low], *hunk.lines, *lines[hunk.high : high]]
    return Edit("".join(lines[low:high]), "".join(replaced))


def _needed(before: list[str], hunks: list[_Hunk], new: str) -> list[_Hunk]:
    """The hunks without which the file would not mean what `new` means."""
    target = _meaning(new)
    if target is None:
        return hunks
    kept = list(hunks)
    for hunk in hunks:
        fewer = [other for other in kept if other is not hunk]
        if _meaning(_applied(before, fewer)) == target:
            kept = fewer
    return kept


def _applied(before: list[str], hunks: list[_Hunk]) -> str:
    lines = list(before)
    for hunk in reversed(hunks):
        lines[hunk.low : hunk.high] = hunk.lines
    return "".join(lines)


def _meaning(text: str) -> str | None:
    """The syntax tree without docstrings and other bare strings; None if it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not _bare_string(item)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _bare_string(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
