"""How functions are written down: their heads, their documentation, and lines that can be wrong."""

from collections.abc import Sequence

from distillation.programs.bench import Bench, Parameter, Piece, Unit, call
from distillation.programs.sites import holds_lines, site

RETURN = ("Return", "Return", "Return", "Give", "Compute", "Give back")


def document(bench: Bench, head: str, words: str) -> str:
    """The lines from `def` or `class` to the docstring, which is sometimes a comment instead."""
    if bench.often(0.12):
        return f"# {words}\n{head}\n"
    end = bench.pick((".", ".", ""))
    return f'{head}\n    """{words}{end}"""\n'


def defined(bench: Bench, words: str, parameters: Sequence[Parameter], body: Sequence[str]) -> Unit:
    """A whole function; `body` is indented by it."""
    name = bench.function()
    head = f"def {name}({', '.join(parameter.name for parameter in parameters)}):"
    code = document(bench, head, words) + "".join(_indented(line) for line in body)
    return Unit(name, code, call(name, parameters))


def _indented(line: str) -> str:
    """A line with its end; a mark that holds whole lines brings its own."""
    return line if holds_lines(line) else f"    {line}\n"


def whole(kind: str, line: str, *wrong: str) -> str:
    """A site of whole lines of a function's body; the wrong ones may be none at all."""
    return site(
        kind,
        *("".join(f"    {part}\n" for part in text.split("\n") if part) for text in (line, *wrong)),
    )


def returned(value: str, *others: str, depth: str = "") -> str:
    """The last line of a function: the return can be missing or return something else."""
    given = site("variable", value, *others) if others else value
    return whole("missing return", f"{depth}return {given}", f"{depth}{value}")


def that(condition: Piece, what: str) -> str:
    """`the numbers that are even`; a text's condition brings its own `that`."""
    words = condition.words
    if words.startswith("that "):
        words = words.removeprefix("that ")
        return (
            f"{what} where each {words}"
            if not words.startswith("is ")
            else f"{what} that {_are(words)}"
        )
    return (
        f"{what} {words}"
        if words.startswith(("longer", "shorter", "with "))
        else f"{what} that are {words}"
    )


def _are(words: str) -> str:
    return "are " + words.removeprefix("is ")


def give(b: Bench) -> str:
    return b.pick(RETURN)
