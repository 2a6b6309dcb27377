"""Drills on functions that people wrote: the standard library's, with or without something wrong.

They teach to copy whatever code there is. What is wrong is mostly what a reader would see, not what
only a test would.
"""

import ast
import keyword
import re
import textwrap
from collections.abc import Iterable, Sequence
from random import Random

from distillation.example import Example
from distillation.programs.drills import rewriting
from distillation.programs.names import Names
from distillation.programs.slips import slipped

_SHORTEST, _LONGEST = 80, 650
"""Characters of a function or class."""
_SWAPS = (
    *(("==", "!="), ("<=", "<"), (">=", ">"), (" + ", " - "), (" and ", " or "), ("+=", "-=")),
    *(("True", "False"), (" not in ", " in "), (" is not ", " is "), ("return ", "")),
)
"""Pieces of code that stand for each other where something is wrong."""


def functions(texts: Iterable[str]) -> list[str]:
    """The functions and classes in these sources that are as long as a drill may be."""
    found: list[str] = []
    for text in texts:
        lines = text.splitlines(keepends=True)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                whole = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
                if _SHORTEST <= len(whole) <= _LONGEST and whole.isascii():
                    found.append(whole)
    return list(dict.fromkeys(found))


def restored(known: Sequence[str], seed: int) -> Example:
    """One or two functions of `known`, written as they are; half of the time something is wrong."""
    random = Random(f"real {seed}")
    right = "\n\n".join(random.sample(known, random.choice((1, 1, 2))))
    wrong = right
    if random.random() < 0.5:
        wrong = _swapped(random, wrong)
        names = {name for name in re.findall(r"[A-Za-z_]\w+", right) if not keyword.iskeyword(name)}
        wrong = slipped(random, wrong, sorted(names)) if random.random() < 0.5 else wrong
    path = f"{Names(random, 'train', compounds=0.5).function()}.py"
    return rewriting(f"real/{seed}", path, wrong, right)


def _swapped(random: Random, text: str) -> str:
    """The text with one of the pieces in place of another, where it has one."""
    pairs = [pair for one in _SWAPS for pair in (one, one[::-1]) if pair[0] and pair[0] in text]
    if not pairs:
        return text
    old, new = random.choice(pairs)
    at = random.choice([match.start() for match in re.finditer(re.escape(old), text)])
    return text[:at] + new + text[at + len(old) :]
