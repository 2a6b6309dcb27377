"""Functions that add up, multiply or count."""

from distillation.programs.arguments import listed, numbers, some
from distillation.programs.bench import Bench, Parameter, Piece, Unit
from distillation.programs.layout import defined, give, returned, that, whole
from distillation.programs.pieces import NUMBER_CHANGES, NUMBER_CONDITIONS
from distillation.programs.sites import site


def summed(b: Bench) -> Unit:
    """The sum, maybe of changed values, maybe of some only."""
    xs, x, acc = numbers(b.variable()), b.variable(), b.variable()
    change = b.pick(NUMBER_CHANGES)(b, x) if b.often(0.5) else None
    condition = b.pick(NUMBER_CONDITIONS)(b, x) if b.often(0.5) else None
    parameters = (
        xs,
        *(change.parameters if change else ()),
        *(condition.parameters if condition else ()),
    )
    what = that(condition, "the values in " + xs.name) if condition else f"the values in {xs.name}"
    each = f", each {change.words}" if change else ""
    words = f"{give(b)} the {b.pick(('sum', 'total'))} of {what}{each}"
    value = change.code if change else site("variable", x, acc)
    if b.often(0.3):
        tail = f" if {condition.code}" if condition else ""
        value = change.code if change else x
        line = f"return {site('method', 'sum', 'max', 'len')}([{value} for {x} in {xs.name}{tail}])"
        return defined(b, words, parameters, (line,))
    add = f"{acc} {site('operator', '+=', '-=')} {value}"
    loop = (f"    if {condition.code}:", f"        {add}") if condition else (f"    {add}",)
    return defined(
        b, words, parameters, (f"{acc} = 0", f"for {x} in {xs.name}:", *loop, returned(acc, x))
    )


def multiplied(b: Bench) -> Unit:
    """The product."""
    xs, x, acc = numbers(b.variable()), b.variable(), b.variable()
    words = f"{give(b)} the product of the values in {xs.name}"
    step = f"    {acc} {site('operator', '*=', '+=', '-=')} {x}"
    return defined(
        b, words, (xs,), (f"{acc} = 1", f"for {x} in {xs.name}:", step, returned(acc, x))
    )


def counted(b: Bench) -> Unit:
    """How many fulfil a condition."""
    xs, conditions, _, what = listed(b)
    x, acc = b.variable(), b.variable()
    condition = b.pick(conditions)(b, x)
    verb = b.pick(("Count", "Return the number of", "Count all"))
    words = f"{verb} {that(condition, f'the {b.pick(what)} in {xs.name}')}"
    parameters = (xs, *condition.parameters)
    if b.often(0.3):
        kept = f"[{x} for {x} in {xs.name} if {condition.code}]"
        line = f"return {site('method', 'len', 'sorted')}({kept})"
        return defined(b, words, parameters, (line,))
    step = f"        {acc} {site('operator', '+=', '-=')} {site('constant', 1, 2)}"
    lines = (
        f"{acc} = 0",
        f"for {x} in {xs.name}:",
        f"    if {condition.code}:",
        step,
        returned(acc, x),
    )
    return defined(b, words, parameters, lines)


def ranged(b: Bench) -> Unit:
    """The numbers from one to n: a list, a sum or a product."""
    n, i, acc = b.variable(), b.variable(), b.variable()
    parameter = Parameter(n, lambda b: b.random.randint(1, 7))
    change = b.pick(NUMBER_CHANGES)(b, i) if b.often(0.6) else Piece("", i)
    each = f", each {change.words}" if change.words else ""
    span = f"range({site('off by one', 1, 0, 2)}, {n}{site('off by one', ' + 1', '', ' - 1')})"
    what = f"the numbers from 1 to {n}{each}"
    parameters = (parameter, *change.parameters)
    if b.often(0.4):
        return defined(
            b,
            f"{give(b)} a list of {what}",
            parameters,
            (f"return [{change.code} for {i} in {span}]",),
        )
    word, start, sign, wrong = b.pick((("sum", 0, "+=", "-="), ("product", 1, "*=", "+=")))
    step = f"    {acc} {site('operator', sign, wrong)} {change.code}"
    lines = (f"{acc} = {start}", f"for {i} in {span}:", step, returned(acc, n))
    return defined(b, f"{give(b)} the {word} of {what}", parameters, lines)


def digits(b: Bench) -> Unit:
    """The digits of a number: sum or count, by a while loop."""
    n, acc = b.variable(), b.variable()
    word, step = b.pick(
        (
            ("sum", f"{n} {site('operator', '%', '//')} {site('constant', 10, 100)}"),
            ("number", site("constant", "1", "2")),
        )
    )
    words = f"{give(b)} the {word} of the digits of {n}"
    lines = (
        f"{acc} = 0",
        f"while {n} > {site('off by one', 0, 1, 9)}:",
        f"    {acc} {site('operator', '+=', '-=')} {step}",
        f"    {n} //= 10", returned(acc, n),
    )  # fmt: skip
    return defined(b, words, (Parameter(n, lambda b: b.random.randint(10, 9999)),), lines)


def running(b: Bench) -> Unit:
    """Running totals."""
    xs, x, acc, out = (b.variable() for _ in range(4))
    words = f"{give(b)} the running totals of {xs}"
    lines = (
        f"{acc} = 0",
        f"{out} = []",
        f"for {x} in {xs}:",
        f"    {acc} {site('operator', '+=', '-=', '*=')} {x}",
        f"    {out}.append({site('variable', acc, x)})", returned(out, acc),
    )  # fmt: skip
    return defined(b, words, (numbers(xs),), lines)


def averaged(b: Bench) -> Unit:
    """The average, with a case for the empty list."""
    xs, empty = b.variable(), b.pick((0, 0, -1, None))
    words = f"{give(b)} the {b.pick(('average', 'mean'))} of {xs}, or {empty} if it is empty"
    case = whole("missing case", f"if not {xs}:\n    return {empty}", "")
    over, length = site("operator", "//", "*", "+"), site("method", "len", "max")
    total = f"{site('method', 'sum', 'max', 'min')}({xs}) {over} {length}({xs})"
    return defined(b, f"{words}, rounded down", (some(xs),), (case, f"return {total}"))
