"""Conditions and changes of one value, in words and in code: what functions are composed of."""

from collections.abc import Callable, Sequence

from distillation.programs.bench import Bench, Parameter, Piece
from distillation.programs.samples import text
from distillation.programs.sites import site

_COMPARED = (
    (("greater than", "above", "more than"), ">", (">=", "<")),
    (("at least", "not less than"), ">=", (">", "<=")),
    (("less than", "below", "smaller than"), "<", ("<=", ">")),
    (("at most", "not more than"), "<=", ("<", ">=")),
    (("equal to", "the same as"), "==", ("!=",)),
    (("different from", "not equal to"), "!=", ("==",)),
)


def compared(bench: Bench, x: str) -> Piece:
    """`x` against a number."""
    words, sign, wrong = bench.pick(_COMPARED)
    limit = bench.number()
    code = f"{x} {site('comparison', sign, *wrong)} {limit.code}"
    return Piece(f"{bench.pick(words)} {limit.words}", code, limit.parameters)


def _parity(bench: Bench, x: str) -> Piece:
    word, sign, wrong = bench.pick((("even", "==", "!="), ("odd", "!=", "==")))
    code = f"{x} {site('operator', '%', '//')} {site('constant', 2, 3)}"
    return Piece(word, f"{code} {site('comparison', sign, wrong)} 0")


def _multiple(bench: Bench, x: str) -> Piece:
    number = bench.number(2, 6)
    code = f"{x} {site('operator', '%', '//')} {number.code} {site('comparison', '==', '!=')} 0"
    words = bench.pick((f"a multiple of {number.words}", f"divisible by {number.words}"))
    return Piece(words, code, number.parameters)


def _signed(bench: Bench, x: str) -> Piece:
    word, sign, *wrong = bench.pick(
        (("positive", ">", ">=", "<"), ("negative", "<", "<=", ">"), ("not negative", ">=", ">"))
    )
    bench.near.append(0)
    return Piece(word, f"{x} {site('comparison', sign, *wrong)} 0")


def _between(bench: Bench, x: str) -> Piece:
    low, high = bench.number(1, 5), bench.number(6, 12)
    left, right = site("comparison", "<=", "<"), site("comparison", "<=", "<")
    code = f"{low.code} {left} {x} {right} {high.code}"
    words = f"from {low.words} to {high.words} inclusive"
    return Piece(words, code, low.parameters + high.parameters)


Choice = Callable[[Bench, str], Piece]
NUMBER_CONDITIONS: Sequence[Choice] = (
    compared, compared, compared, _parity, _multiple, _signed, _between,
)  # fmt: skip


def _edges(bench: Bench, x: str) -> Piece:
    word, right, wrong = bench.pick(
        (("starts with", "startswith", "endswith"), ("ends with", "endswith", "startswith"))
    )
    part = bench.variable()
    sample = Parameter(part, lambda b: text(b)[: b.pick((1, 1, 2))])
    return Piece(f"that {word} {part}", f"{x}.{site('method', right, wrong)}({part})", (sample,))


def _contains(bench: Bench, x: str) -> Piece:
    word, right, wrong = bench.pick(
        (("that contains", "in", "not in"), ("that does not contain", "not in", "in"))
    )
    part = bench.variable()
    sample = Parameter(part, lambda b: b.pick("aeiron t"))
    return Piece(f"{word} {part}", f"{part} {site('operator', right, wrong)} {x}", (sample,))


def _kind(bench: Bench, x: str) -> Piece:
    word, right, wrong = bench.pick(
        (
            ("in upper case", "isupper", "islower"),
            ("in lower case", "islower", "isupper"),
            ("made of digits", "isdigit", "isalpha"),
            ("made of letters", "isalpha", "isdigit"),
        )
    )
    return Piece(f"that is {word}", f"{x}.{site('method', right, wrong, 'istitle')}()")


def _length(bench: Bench, x: str) -> Piece:
    words, sign, wrong = bench.pick(
        (
            ("longer than", ">", (">=", "<")),
            ("shorter than", "<", ("<=", ">")),
            ("with at least", ">=", (">", "<=")),
            ("with at most", "<=", ("<", ">=")),
        )
    )
    limit = bench.number(2, 5, given=0.6)
    code = f"len({x}) {site('comparison', sign, *wrong)} {limit.code}"
    return Piece(f"{words} {limit.words} letters", code, limit.parameters)


TEXT_CONDITIONS: Sequence[Choice] = (_edges, _contains, _kind, _length, _length)


def _moved(bench: Bench, x: str) -> Piece:
    words, sign, *wrong = bench.pick(
        (
            ("plus", "+", "-"),
            ("minus", "-", "+"),
            ("times", "*", "+", "//"),
            ("divided by", "//", "*", "-"),
        )
    )
    number = bench.number()
    code = f"{x} {site('operator', sign, *wrong)} {number.code}"
    shown = f"{words} {number.words}" + (" and rounded down" if sign == "//" else "")
    return Piece(shown, code, number.parameters)


def _named(bench: Bench, x: str) -> Piece:
    words, right, *wrong = bench.pick(
        (("doubled", 2, 3, 4), ("tripled", 3, 2), ("times ten", 10, 100))
    )
    return Piece(str(words), f"{x} {site('operator', '*', '+')} {site('constant', right, *wrong)}")


def _square(bench: Bench, x: str) -> Piece:
    words, power, wrong = bench.pick((("squared", 2, 3), ("cubed", 3, 2)))
    if words == "squared" and bench.often(0.4):
        return Piece(words, f"{x} {site('operator', '*', '+')} {x}")
    code = f"{x} {site('operator', '**', '*')} {site('constant', power, wrong)}"
    return Piece(words, code)


NUMBER_CHANGES: Sequence[Choice] = (_moved, _moved, _named, _square)


def _cased(bench: Bench, x: str) -> Piece:
    words, right, *wrong = bench.pick(
        (
            ("in upper case", "upper", "lower", "title"),
            ("in lower case", "lower", "upper"),
            ("without spaces at its ends", "strip", "lower", "lstrip"),
            ("with a capital first letter", "capitalize", "upper", "lower"),
            ("with upper and lower case swapped", "swapcase", "lower", "upper"),
        )
    )
    return Piece(words, f"{x}.{site('method', right, *wrong)}()")


def _replaced(bench: Bench, x: str) -> Piece:
    old, new = bench.variable(), bench.variable()
    samples = (
        Parameter(old, lambda b: b.pick("aeiotnrs")),
        Parameter(new, lambda b: b.pick("xyz_-")),
    )
    order = site("swapped arguments", f"{old}, {new}", f"{new}, {old}")
    return Piece(f"with {old} replaced by {new}", f"{x}.replace({order})", samples)


def _added(bench: Bench, x: str) -> Piece:
    part = bench.variable()
    word, left, right = bench.pick((("followed by", x, part), ("preceded by", part, x)))
    order = site("swapped arguments", f"{left} + {right}", f"{right} + {left}")
    return Piece(
        f"{word} {part}", order, (Parameter(part, lambda b: b.pick(("!", "-", "ab", "x"))),)
    )


TEXT_CHANGES: Sequence[Choice] = (_cased, _cased, _replaced, _added)
