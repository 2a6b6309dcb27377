"""What a student copies wrongly: names and marks of a text that are not what they were."""

import re
from collections.abc import Sequence
from random import Random

_MARK = 0.2
"""How often a slip leaves out a bracket, a comma or a colon."""


def slipped(random: Random, text: str, names: Sequence[str]) -> str:
    """A text with one name copied wrongly, or one mark left out."""
    marks = [n for n, char in enumerate(text) if char in "()[]:,"]
    # What a function is called nothing in its file tells.
    spans = [m.span() for m in re.finditer(r"(?<!def )\b\w+", text) if m[0] in names]
    if not spans or (marks and random.random() < _MARK):
        at = random.choice(marks)
        return text[:at] + text[at + 1 :]
    start, end = random.choice(spans)
    name, other = text[start:end], random.choice(names)
    wrong = random.choice((other, other, name[: len(name) // 2 + 1], name + other[-3:]))
    return text[:start] + wrong + text[end:]
