"""Marked places in code where a bug can be: one text from which right and wrong code are rendered.

A mark holds the kind of the bug, the right piece and one or more wrong ones. Marks may be nested.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_OPEN, _NEXT, _CLOSE = "⟦¦⟧"


def site(kind: str, right: object, *wrong: object) -> str:
    """Mark a place: `right` is what belongs there, each of `wrong` is a bug of this kind."""
    return f"{_OPEN}{_NEXT.join((kind, str(right), *map(str, wrong)))}{_CLOSE}"


def holds_lines(text: str) -> bool:
    """Whether a text begins with a site of whole lines, which need no end or indentation."""
    return text.startswith(_OPEN) and "\n" in text


@dataclass(frozen=True)
class Bug:
    """One wrong piece at one place of a marked text."""

    kind: str
    right: str
    wrong: str
    place: int
    """Which mark, counted by where it opens."""
    option: int
    """Which of its pieces; 0 is the right one."""


@dataclass
class _Site:
    options: list[list["str | _Site"]]
    """The first is the kind, the second the right piece."""

    @property
    def kind(self) -> str:
        return _render(self.options[0], {})


def bugs(marked: str) -> list[Bug]:
    """Every bug that the text can have."""
    return [
        Bug(each.kind, _render(each.options[1], {}), _render(wrong, {}), place, number)
        for place, each in enumerate(_sites(_parse(marked)))
        for number, wrong in enumerate(each.options[2:], start=1)
    ]


def render(marked: str, *chosen: Bug) -> str:
    """The code with these bugs; without any it is right."""
    tree = _parse(marked)
    wanted = {bug.place: bug.option for bug in chosen}
    sites = {id(each): wanted.get(n, 0) for n, each in enumerate(_sites(tree))}
    return _render(tree, sites)


def _parse(marked: str) -> list["str | _Site"]:
    root: list[str | _Site] = []
    stack: list[_Site] = []
    for char in marked:
        here = stack[-1].options[-1] if stack else root
        if char == _OPEN:
            stack.append(_Site([[]]))
            here.append(stack[-1])
        elif char == _NEXT:
            stack[-1].options.append([])
        elif char == _CLOSE:
            stack.pop()
        else:
            here.append(char)
    return root


def _sites(nodes: list["str | _Site"]) -> Iterator[_Site]:
    for node in nodes:
        if isinstance(node, _Site):
            yield node
            yield from _sites(node.options[1])


def _render(nodes: list["str | _Site"], chosen: dict[int, int]) -> str:
    return "".join(
        node
        if isinstance(node, str)
        else _render(node.options[chosen.get(id(node), 0) + 1], chosen)
        for node in nodes
    )
