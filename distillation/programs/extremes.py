"""Functions on the largest, the longest, and on neighbours in lists."""

from distillation.programs.arguments import numbers, some, texts_of
from distillation.programs.bench import Bench, Parameter, Unit
from distillation.programs.layout import defined, give, returned, whole
from distillation.programs.sites import site


def extreme(b: Bench) -> Unit:
    """The largest or smallest, by a loop or by a function."""
    xs, x, best = b.variable(), b.variable(), b.variable()
    word, sign, wrong, method, other = b.pick(
        (("largest", ">", "<", "max", "min"), ("smallest", "<", ">", "min", "max"))
    )
    parameter = Parameter(xs, lambda b: b.integers(2, 5))
    if b.often(0.4):
        empty = b.pick(("0", "None", "-1"))
        words = f"{give(b)} the {word} value in {xs}, or {empty} if there is none"
        case = whole("missing case", f"if not {xs}:\n    return {empty}", "")
        return defined(
            b, words, (some(xs),), (case, f"return {site('method', method, other)}({xs})")
        )
    words = f"{give(b)} the {word} value in {xs}"
    lines = (
        f"{best} = {xs}[0]",
        f"for {x} in {xs}:",
        f"    if {x} {site('comparison', sign, wrong)} {best}:",
        f"        {best} = {site('variable', x, xs)}",
        returned(best, x),
    )
    return defined(b, words, (parameter,), lines)


def longest(b: Bench) -> Unit:
    """The longest or shortest text."""
    xs, x, best = b.variable(), b.variable(), b.variable()
    word, sign, wrong, method, other = b.pick(
        (("longest", ">", "<", "max", "min"), ("shortest", "<", ">", "min", "max"))
    )
    words = f"{give(b)} the {word} text in {xs}"
    if b.often(0.4):
        return defined(
            b, words, (texts_of(xs),), (f"return {site('method', method, other)}({xs}, key=len)",)
        )
    lines = (
        f"{best} = {xs}[0]",
        f"for {x} in {xs}:",
        f"    if len({site('variable', x, xs)}) {site('comparison', sign, wrong)} len({best}):",
        f"        {best} = {x}",
        returned(best, x),
    )
    return defined(b, words, (texts_of(xs),), lines)


def neighbours(b: Bench) -> Unit:
    """Pairs of neighbours: differences, sums, or how many rise."""
    xs, i, acc = b.variable(), b.variable(), b.variable()
    span = f"range(len({xs}){site('off by one', ' - 1', '', ' - 2')})"
    if b.often(0.5):
        words, sign, wrong = b.pick(
            (("differences", "-", "+"), ("sums", "+", "-"), ("products", "*", "+"))
        )
        what = f"the {words} of neighbours in {xs}" + (", right minus left" if sign == "-" else "")
        value = f"{xs}[{i} + 1] {site('operator', sign, wrong)} {xs}[{i}]"
        return defined(
            b, f"{give(b)} {what}", (numbers(xs),), (f"return [{value} for {i} in {span}]",)
        )
    word, sign, wrong = b.pick((("larger", ">", "<"), ("smaller", "<", ">")))
    words = f"Count the values in {xs} that are {word} than the one before"
    lines = (
        f"{acc} = 0",
        f"for {i} in {span}:",
        f"    if {xs}[{i} + 1] {site('comparison', sign, wrong)} {xs}[{i}]:",
        f"        {acc} {site('operator', '+=', '-=')} 1",
        returned(acc, i),
    )
    return defined(b, words, (numbers(xs),), lines)


def paired(b: Bench) -> Unit:
    """Two lists, value by value."""
    xs, ys, x, y = (b.variable() for _ in range(4))
    word, sign, wrong = b.pick(
        (("sums", "+", "-"), ("products", "*", "+"), ("differences", "-", "+"))
    )
    value = f"{x} {site('operator', sign, wrong)} {site('variable', y, x)}"
    words = f"{give(b)} the {word} of the values in {xs} and {ys}, pair by pair"
    given = [Parameter(n, lambda b: b.integers(3, 3)) for n in (xs, ys)]
    return defined(b, words, given, (f"return [{value} for {x}, {y} in zip({xs}, {ys})]",))
