"""The family that the student is pretrained on: functions on numbers, texts and lists of them."""

from collections.abc import Callable, Sequence

from distillation.programs.bench import Bench, Parameter, Piece, Unit
from distillation.programs.pieces import (
    NUMBER_CHANGES,
    NUMBER_CONDITIONS,
    RETURN,
    TEXT_CHANGES,
    TEXT_CONDITIONS,
    Choice,
    defined,
    returned,
    text,
    texts,
    whole,
)
from distillation.programs.sites import site

KINDS = frozenset(
    (
        "operator", "comparison", "off by one", "variable", "missing return", "constant",
        "missing case", "swapped arguments", "method", "mutable default",
    )
)  # fmt: skip
"""The bugs of this family."""


def _numbers(name: str) -> Parameter:
    return Parameter(name, lambda b: b.integers())


def _some(name: str) -> Parameter:
    """A list that is often empty."""
    return Parameter(name, lambda b: [] if b.often(0.4) else b.integers(1, 4))


def _texts(name: str) -> Parameter:
    return Parameter(name, texts)


def _list(b: Bench) -> tuple[Parameter, Sequence[Choice], Sequence[Choice], tuple[str, ...]]:
    """A list of numbers or of texts: its parameter, conditions, changes and what it holds."""
    name = b.variable()
    if b.often(0.65):
        return _numbers(name), NUMBER_CONDITIONS, NUMBER_CHANGES, ("values", "numbers", "items")
    return _texts(name), TEXT_CONDITIONS, TEXT_CHANGES, ("words", "texts", "names")


def _that(condition: Piece, what: str) -> str:
    """`the numbers that are even`; a text's condition brings its own `that`."""
    words = condition.words
    if words.startswith("that "):
        words = words.removeprefix("that ")
        return f"{what} where each {words}" if not words.startswith("is ") else f"{what} that {_are(words)}"
    return f"{what} {words}" if words.startswith(("longer", "shorter", "with ")) else f"{what} that are {words}"


def _are(words: str) -> str:
    return "are " + words.removeprefix("is ")


def _return(b: Bench) -> str:
    return b.pick(RETURN)


def summed(b: Bench) -> Unit:
    """The sum, maybe of changed values, maybe of some only."""
    xs, x, acc = _numbers(b.variable()), b.variable(), b.variable()
    change = b.pick(NUMBER_CHANGES)(b, x) if b.often(0.5) else None
    condition = b.pick(NUMBER_CONDITIONS)(b, x) if b.often(0.5) else None
    parameters = (xs, *(change.parameters if change else ()), *(condition.parameters if condition else ()))
    what = _that(condition, "the values in " + xs.name) if condition else f"the values in {xs.name}"
    each = f", each {change.words}" if change else ""
    words = f"{_return(b)} the {b.pick(('sum', 'total'))} of {what}{each}"
    value = change.code if change else site("variable", x, acc)
    if b.often(0.3):
        tail = f" if {condition.code}" if condition else ""
        value = change.code if change else x
        line = f"return {site('method', 'sum', 'max', 'len')}([{value} for {x} in {xs.name}{tail}])"
        return defined(b, words, parameters, (line,))
    add = f"{acc} {site('operator', '+=', '-=')} {value}"
    loop = (f"    if {condition.code}:", f"        {add}") if condition else (f"    {add}",)
    return defined(b, words, parameters, (f"{acc} = 0", f"for {x} in {xs.name}:", *loop, returned(acc, x)))


def multiplied(b: Bench) -> Unit:
    """The product."""
    xs, x, acc = _numbers(b.variable()), b.variable(), b.variable()
    words = f"{_return(b)} the product of the values in {xs.name}"
    step = f"    {acc} {site('operator', '*=', '+=', '-=')} {x}"
    return defined(b, words, (xs,), (f"{acc} = 1", f"for {x} in {xs.name}:", step, returned(acc, x)))


def counted(b: Bench) -> Unit:
    """How many fulfil a condition."""
    xs, conditions, _, what = _list(b)
    x, acc = b.variable(), b.variable()
    condition = b.pick(conditions)(b, x)
    words = f"{b.pick(('Count', 'Return the number of', 'Count all'))} {_that(condition, 'the ' + b.pick(what) + ' in ' + xs.name)}"
    parameters = (xs, *condition.parameters)
    if b.often(0.3):
        line = f"return {site('method', 'len', 'sorted')}([{x} for {x} in {xs.name} if {condition.code}])"
        return defined(b, words, parameters, (line,))
    step = f"        {acc} {site('operator', '+=', '-=')} {site('constant', 1, 2)}"
    lines = (f"{acc} = 0", f"for {x} in {xs.name}:", f"    if {condition.code}:", step, returned(acc, x))
    return defined(b, words, parameters, lines)


def filtered(b: Bench) -> Unit:
    """A list of those that fulfil a condition."""
    xs, conditions, _, what = _list(b)
    x, acc = b.variable(), b.variable()
    condition = b.pick(conditions)(b, x)
    verb = b.pick(("Return", "Keep", "Collect", "Return a list of"))
    words = f"{verb} {_that(condition, 'the ' + b.pick(what) + ' in ' + xs.name)}"
    parameters = (xs, *condition.parameters)
    if b.often(0.45):
        return defined(b, words, parameters, (f"return [{x} for {x} in {xs.name} if {condition.code}]",))
    step = f"        {acc}.append({site('variable', x, xs.name)})"
    lines = (f"{acc} = []", f"for {x} in {xs.name}:", f"    if {condition.code}:", step, returned(acc, x))
    return defined(b, words, parameters, lines)


def mapped(b: Bench) -> Unit:
    """A list of changed values."""
    xs, _, changes, what = _list(b)
    x, acc = b.variable(), b.variable()
    change = b.pick(changes)(b, x)
    words = f"{_return(b)} a list of the {b.pick(what)} in {xs.name}, each {change.words}"
    parameters = (xs, *change.parameters)
    if b.often(0.45):
        return defined(b, words, parameters, (f"return [{change.code} for {x} in {xs.name}]",))
    step = f"    {acc}.append({change.code})"
    return defined(b, words, parameters, (f"{acc} = []", f"for {x} in {xs.name}:", step, returned(acc, x)))


def both(b: Bench) -> Unit:
    """Changed values of those that fulfil a condition."""
    xs, conditions, changes, what = _list(b)
    x, acc = b.variable(), b.variable()
    condition, change = b.pick(conditions)(b, x), b.pick(changes)(b, x)
    words = f"{_return(b)} {_that(condition, 'the ' + b.pick(what) + ' in ' + xs.name)}, each {change.words}"
    parameters = (xs, *condition.parameters, *change.parameters)
    if b.often(0.4):
        return defined(b, words, parameters, (f"return [{change.code} for {x} in {xs.name} if {condition.code}]",))
    step = f"        {acc}.append({change.code})"
    lines = (f"{acc} = []", f"for {x} in {xs.name}:", f"    if {condition.code}:", step, returned(acc, x))
    return defined(b, words, parameters, lines)


def searched(b: Bench) -> Unit:
    """The first one that fulfils a condition, or its place."""
    xs, conditions, _, what = _list(b)
    x, i = b.variable(), b.variable()
    condition = b.pick(conditions)(b, x)
    place = b.often(0.5)
    one = b.pick(what).removesuffix("s")
    which = _that(condition, one + " in " + xs.name).replace("that are", "that is").replace(" where each", " that")
    none, wrong = ("-1", "0") if place else ("None", x)
    words = f"{_return(b)} the {'index of the ' if place else ''}first {which}, or {none}"
    found = site("variable", i, x) if place else x
    loop = f"for {i}, {x} in enumerate({xs.name}):" if place else f"for {x} in {xs.name}:"
    last = f"return {site('constant', none, wrong)}"
    lines = (loop, f"    if {condition.code}:", whole("missing return", f"        return {found}", f"        {i if place else x}"), last)
    return defined(b, words, (xs, *condition.parameters), lines)


def judged(b: Bench) -> Unit:
    """Whether any or all fulfil a condition."""
    xs, conditions, _, what = _list(b)
    x = b.variable()
    condition = b.pick(conditions)(b, x)
    word, other = b.pick((("any", "all"), ("all", "any")))
    which = b.pick(what)
    said = _that(condition, f"{which} in {xs.name}").replace("that are", "are").replace("that is", "is")
    words = f"{b.pick(('Tell', 'Return', 'Check'))} whether {word} of the {said}"
    parameters = (xs, *condition.parameters)
    if b.often(0.5):
        return defined(b, words, parameters, (f"return {site('method', word, other)}({condition.code} for {x} in {xs.name})",))
    early, late = ("True", "False") if word == "any" else ("False", "True")
    test = condition.code if word == "any" else f"not ({condition.code})"
    lines = (
        f"for {x} in {xs.name}:", f"    if {test}:",
        whole("missing return", f"        return {site('constant', early, late)}", f"        {early}"),
        f"return {site('constant', late, early)}",
    )  # fmt: skip
    return defined(b, words, parameters, lines)


def extreme(b: Bench) -> Unit:
    """The largest or smallest, by a loop or by a function."""
    xs, x, best = b.variable(), b.variable(), b.variable()
    word, sign, wrong, method, other = b.pick(
        (("largest", ">", "<", "max", "min"), ("smallest", "<", ">", "min", "max"))
    )
    parameter = Parameter(xs, lambda b: b.integers(2, 5))
    if b.often(0.4):
        empty = b.pick(("0", "None", "-1"))
        words = f"{_return(b)} the {word} value in {xs}, or {empty} if there is none"
        case = whole("missing case", f"if not {xs}:\n    return {empty}", "")
        return defined(b, words, (_some(xs),), (case, f"return {site('method', method, other)}({xs})"))
    words = f"{_return(b)} the {word} value in {xs}"
    lines = (
        f"{best} = {xs}[0]", f"for {x} in {xs}:", f"    if {x} {site('comparison', sign, wrong)} {best}:",
        f"        {best} = {site('variable', x, xs)}", returned(best, x),
    )  # fmt: skip
    return defined(b, words, (parameter,), lines)


def longest(b: Bench) -> Unit:
    """The longest or shortest text."""
    xs, x, best = b.variable(), b.variable(), b.variable()
    word, sign, wrong, method, other = b.pick(
        (("longest", ">", "<", "max", "min"), ("shortest", "<", ">", "min", "max"))
    )
    words = f"{_return(b)} the {word} text in {xs}"
    if b.often(0.4):
        return defined(b, words, (_texts(xs),), (f"return {site('method', method, other)}({xs}, key=len)",))
    lines = (
        f"{best} = {xs}[0]", f"for {x} in {xs}:",
        f"    if len({site('variable', x, xs)}) {site('comparison', sign, wrong)} len({best}):", f"        {best} = {x}", returned(best, x),
    )  # fmt: skip
    return defined(b, words, (_texts(xs),), lines)


def averaged(b: Bench) -> Unit:
    """The average, with a case for the empty list."""
    xs, empty = b.variable(), b.pick((0, 0, -1, None))
    words = f"{_return(b)} the {b.pick(('average', 'mean'))} of {xs}, or {empty} if it is empty"
    case = whole("missing case", f"if not {xs}:\n    return {empty}", "")
    total = f"{site('method', 'sum', 'max', 'min')}({xs}) {site('operator', '//', '*', '+')} {site('method', 'len', 'max')}({xs})"
    return defined(b, f"{words}, rounded down", (_some(xs),), (case, f"return {total}"))


def neighbours(b: Bench) -> Unit:
    """Pairs of neighbours: differences, sums, or how many rise."""
    xs, i, acc = b.variable(), b.variable(), b.variable()
    span = f"range(len({xs}){site('off by one', ' - 1', '', ' - 2')})"
    if b.often(0.5):
        words, sign, wrong = b.pick((("differences", "-", "+"), ("sums", "+", "-"), ("products", "*", "+")))
        what = f"the {words} of neighbours in {xs}" + (", right minus left" if sign == "-" else "")
        value = f"{xs}[{i} + 1] {site('operator', sign, wrong)} {xs}[{i}]"
        return defined(b, f"{_return(b)} {what}", (_numbers(xs),), (f"return [{value} for {i} in {span}]",))
    word, sign, wrong = b.pick((("larger", ">", "<"), ("smaller", "<", ">")))
    words = f"Count the values in {xs} that are {word} than the one before"
    lines = (
        f"{acc} = 0", f"for {i} in {span}:", f"    if {xs}[{i} + 1] {site('comparison', sign, wrong)} {xs}[{i}]:",
        f"        {acc} {site('operator', '+=', '-=')} 1", returned(acc, i),
    )  # fmt: skip
    return defined(b, words, (_numbers(xs),), lines)


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
        return defined(b, f"{_return(b)} a list of {what}", parameters, (f"return [{change.code} for {i} in {span}]",))
    word, start, sign, wrong = b.pick((("sum", 0, "+=", "-="), ("product", 1, "*=", "+=")))
    step = f"    {acc} {site('operator', sign, wrong)} {change.code}"
    lines = (f"{acc} = {start}", f"for {i} in {span}:", step, returned(acc, n))
    return defined(b, f"{_return(b)} the {word} of {what}", parameters, lines)


def clamped(b: Bench) -> Unit:
    """A number held within bounds."""
    x = b.variable()
    low, high = b.number(1, 5, 0.6), b.number(7, 12, 0.6)
    parameters = (Parameter(x, lambda b: b.integer()), *low.parameters, *high.parameters)
    words = f"{_return(b)} {x}, but at least {low.words} and at most {high.words}"
    if b.often(0.4):
        line = f"return {site('method', 'max', 'min')}({low.words}, {site('method', 'min', 'max')}({high.words}, {x}))"
        return defined(b, words, parameters, (line,))
    lines = (
        f"if {x} {site('comparison', '<', '>')} {low.words}:", f"    return {site('variable', low.words, high.words)}",
        f"if {x} {site('comparison', '>', '<')} {high.words}:", f"    return {site('variable', high.words, low.words)}", returned(x),
    )  # fmt: skip
    return defined(b, words, parameters, lines)


def graded(b: Bench) -> Unit:
    """A word for a number, by thresholds."""
    x = b.variable()
    high, low = sorted(b.random.sample(range(2, 14), 2), reverse=True)
    b.near += [high, low]
    names = b.random.sample(("good", "fair", "bad", "high", "low", "hot", "cold", "big", "small", "A", "B", "C"), 3)
    phrase, sign, wrong = b.pick((("at least", ">=", ">"), ("more than", ">", ">=")))
    words = f"Return '{names[0]}' for {x} {phrase} {high}, '{names[1]}' for {phrase} {low}, else '{names[2]}'"
    lines = (
        f"if {x} {site('comparison', sign, wrong)} {site('constant', high, high + 2, high * 10)}:",
        f"    return '{site('constant', names[0], names[2])}'",
        f"if {x} {site('comparison', sign, wrong)} {site('constant', low, low - 1, low + 10)}:",
        f"    return '{names[1]}'", f"return '{site('constant', names[2], names[1])}'",
    )  # fmt: skip
    return defined(b, words, (Parameter(x, lambda b: b.integer()),), lines)


def computed(b: Bench) -> Unit:
    """Arithmetic on two or three numbers, in words."""
    x, y, z = (b.variable() for _ in range(3))
    given = [Parameter(name, lambda b: b.random.randint(2, 9)) for name in (x, y, z)]
    words, code, count = b.pick(
        (
            (f"{x} plus {y}", f"{x} {site('operator', '+', '-', '*')} {y}", 2),
            (f"{x} minus {y}", f"{site('swapped arguments', f'{x} - {y}', f'{y} - {x}')}", 2),
            (f"{x} times {y}", f"{x} {site('operator', '*', '+', '-')} {y}", 2),
            (f"{x} divided by {y} and rounded down", f"{x} {site('operator', '//', '*', '%')} {y}", 2),
            (f"the remainder of {x} divided by {y}", f"{x} {site('operator', '%', '//')} {y}", 2),
            (f"{x} to the power of {y}", f"{x} {site('operator', '**', '*')} {y}", 2),
            (f"{x} plus {y} minus {z}", f"{x} {site('operator', '+', '-')} {y} {site('operator', '-', '+')} {z}", 3),
            (f"{x} times {y} plus {z}", f"{x} {site('operator', '*', '+')} {y} {site('operator', '+', '-')} {z}", 3),
            (f"the area of a rectangle with sides {x} and {y}", f"{x} {site('operator', '*', '+')} {y}", 2),
            (f"the perimeter of a rectangle with sides {x} and {y}", f"{site('constant', 2, 4)} * ({x} {site('operator', '+', '*', '-')} {y})", 2),
            (f"the larger of {x} and {y}", f"{x} if {x} {site('comparison', '>', '<')} {y} else {y}", 2),
            (f"the smaller of {x} and {y}", f"{x} if {x} {site('comparison', '<', '>')} {y} else {y}", 2),
            (f"the distance between {x} and {y}", f"{site('method', 'abs', 'float')}({x} {site('operator', '-', '+')} {y})", 2),
        )
    )  # fmt: skip
    if b.often(0.4):
        acc = b.variable()
        return defined(b, f"{_return(b)} {words}", given[:count], (f"{acc} = {code}", returned(acc, x)))
    return defined(b, f"{_return(b)} {words}", given[:count], (f"return {code}",))


def priced(b: Bench) -> Unit:
    """A price with a discount, a fee or a tax."""
    price, rate = b.variable(), b.random.randint(1, 9) * 5
    given = Parameter(price, lambda b: b.random.randint(1, 30) * 20)
    word, sign, wrong = b.pick((("plus", "+", "-"), ("minus", "-", "+")))
    limit = b.number(2, 9, 0.4)
    b.near += [100, 200]
    phrase, compare, other = b.pick((("more than", ">", ">="), ("at least", ">=", ">"), ("less than", "<", ">")))
    percent = f"{price} * {site('constant', rate, rate + 5, rate * 2)} // {site('constant', 100, 10)}"
    if b.often(0.5):
        words = f"{_return(b)} {price} {word} {rate} percent"
        return defined(b, words, (given,), (f"return {price} {site('operator', sign, wrong)} {percent}",))
    words = f"{_return(b)} {price} {word} {rate} percent if it is {phrase} {limit.words}00, else {price}"
    edge = Parameter(price, lambda b: b.random.randint(1, 12) * 100)
    lines = (
        f"if {price} {site('comparison', compare, other)} {limit.code} * 100:",
        f"    return {price} {site('operator', sign, wrong)} {percent}", returned(price),
    )  # fmt: skip
    words = words.replace(f"{limit.words}00", f"{limit.words} times 100")
    return defined(b, words, (edge, *limit.parameters), lines)


def delegated(b: Bench) -> Unit:
    """A helper and a function that calls it: arguments can be swapped."""
    x, y, p, q, helper = b.variable(), b.variable(), b.variable(), b.variable(), b.function()
    words, sign = b.pick((("minus", "-"), ("divided by", "//"), ("to the power of", "**"), ("modulo", "%")))
    more, plus, wrong = b.pick((("plus", "+", "-"), ("times", "*", "+"), ("minus", "-", "+")))
    number = b.random.randint(1, 9)
    head = f'def {helper}({x}, {y}):\n    """Return {x} {words} {y}."""\n    return {x} {sign} {y}\n\n\n'
    order = b.often(0.5)
    first, second = (p, q) if order else (q, p)
    swap = site("swapped arguments", f"{first}, {second}", f"{second}, {first}")
    said = f"{_return(b)} {first} {words} {second}, {more} {number}"
    line = f"return {helper}({swap}) {site('operator', plus, wrong)} {site('constant', number, number + 1, number + 5)}"
    given = [Parameter(name, lambda b: b.random.randint(1, 6)) for name in (p, q)]
    unit = defined(b, said, given, (line,))
    return Unit(unit.name, head + unit.code, unit.cases)


def collected(b: Bench) -> Unit:
    """A default that is shared between calls."""
    x, acc = b.variable(), b.variable()
    kind = b.pick(("number", "text"))
    name = b.function()
    words = f"Add {x} to {acc}, a new list by default, and return it"
    doc = f'    """{words}."""\n'
    case = f"    if {acc} is None:\n        {acc} = []\n"
    wrong = site("mutable default", f"{acc}=None", f"{acc}=[]")
    code = f"def {name}({x}, {wrong}):\n{doc}{case}    {acc}.append({site('variable', x, acc)})\n{returned(acc, x)}"

    def cases(bench: Bench) -> str:
        one, two = ((bench.integer(), bench.integer()) if kind == "number" else (text(bench), text(bench)))
        call = f"{{m}}{name}({one!r})"
        return bench.pick((f"({call}, {{m}}{name}({two!r}))", f"({call}, {{m}}{name}({two!r}))", f"{{m}}{name}({one!r}, [{two!r}])"))

    return Unit(name, code, cases)


def spelled(b: Bench) -> Unit:
    """A text that is changed."""
    x, acc = b.variable(), b.variable()
    change = b.pick(TEXT_CHANGES)(b, x)
    parameters = (Parameter(x, text), *change.parameters)
    words = f"{_return(b)} {x} {change.words}"
    empty = b.pick(("'none'", "'-'", "'empty'"))
    if b.often(0.3):
        case = whole("missing case", f"if not {x}:\n    return {empty}", "")
        maybe = Parameter(x, lambda b: "" if b.often(0.5) else text(b))
        words += f", or {empty} if it is empty"
        return defined(b, words, (maybe, *change.parameters), (case, f"return {change.code}"))
    if b.often(0.4):
        return defined(b, words, parameters, (f"{acc} = {change.code}", returned(acc, x)))
    return defined(b, words, parameters, (f"return {change.code}",))


def tested(b: Bench) -> Unit:
    """Whether one number or text fulfils a condition."""
    x = b.variable()
    if b.often(0.6):
        condition, sample = b.pick(NUMBER_CONDITIONS)(b, x), Parameter(x, lambda b: b.integer())
        words = f"is {condition.words}"
    else:
        condition, sample = b.pick(TEXT_CONDITIONS)(b, x), Parameter(x, text)
        words = condition.words.removeprefix("that ")
        words = f"is {words}" if words.startswith(("longer", "shorter")) else words.replace("with at", "has at")
    line = f"return {condition.code}"
    said = f"{b.pick(('Tell', 'Return', 'Check'))} whether {x} {words}"
    return defined(b, said, (sample, *condition.parameters), (line,))


def joined(b: Bench) -> Unit:
    """Texts put together."""
    xs, mark = b.variable(), b.variable()
    x = b.variable()
    change = b.pick(TEXT_CHANGES)(b, x)
    words = f"{_return(b)} the texts in {xs}, each {change.words}, joined by {mark}"
    sample = Parameter(mark, lambda b: b.pick(("-", ", ", " ", "/")))
    acc = b.variable()
    lines = (f"{acc} = [{change.code} for {x} in {xs}]", f"return {mark}.join({site('variable', acc, xs)})")
    return defined(b, words, (_texts(xs), sample, *change.parameters), lines)


def ordered(b: Bench) -> Unit:
    """A sorted list."""
    xs, conditions, _, what = _list(b)
    order, right, wrong = b.pick((("smallest first", "False", "True"), ("largest first", "True", "False")))
    words = f"{_return(b)} the {b.pick(what)} in {xs.name}, {order}"
    if b.often(0.4):
        x = b.variable()
        condition = b.pick(conditions)(b, x)
        words = f"{_return(b)} {_that(condition, 'the ' + b.pick(what) + ' in ' + xs.name)}, {order}"
        line = f"return sorted([{x} for {x} in {xs.name} if {condition.code}], reverse={site('constant', right, wrong)})"
        return defined(b, words, (xs, *condition.parameters), (line,))
    return defined(b, words, (xs,), (f"return {site('method', 'sorted', 'list')}({xs.name}, reverse={site('constant', right, wrong)})",))


def running(b: Bench) -> Unit:
    """Running totals."""
    xs, x, acc, out = (b.variable() for _ in range(4))
    words = f"{_return(b)} the running totals of {xs}"
    lines = (
        f"{acc} = 0", f"{out} = []", f"for {x} in {xs}:", f"    {acc} {site('operator', '+=', '-=', '*=')} {x}",
        f"    {out}.append({site('variable', acc, x)})", returned(out, acc),
    )  # fmt: skip
    return defined(b, words, (_numbers(xs),), lines)


def paired(b: Bench) -> Unit:
    """Two lists, value by value."""
    xs, ys, x, y = (b.variable() for _ in range(4))
    word, sign, wrong = b.pick((("sums", "+", "-"), ("products", "*", "+"), ("differences", "-", "+")))
    value = f"{x} {site('operator', sign, wrong)} {site('variable', y, x)}"
    words = f"{_return(b)} the {word} of the values in {xs} and {ys}, pair by pair"
    given = [Parameter(n, lambda b: b.integers(3, 3)) for n in (xs, ys)]
    return defined(b, words, given, (f"return [{value} for {x}, {y} in zip({xs}, {ys})]",))


def digits(b: Bench) -> Unit:
    """The digits of a number: sum or count, by a while loop."""
    n, acc = b.variable(), b.variable()
    word, step = b.pick((("sum", f"{n} {site('operator', '%', '//')} {site('constant', 10, 100)}"), ("number", site("constant", "1", "2"))))
    words = f"{_return(b)} the {word} of the digits of {n}"
    lines = (
        f"{acc} = 0", f"while {n} > {site('off by one', 0, 1, 9)}:", f"    {acc} {site('operator', '+=', '-=')} {step}",
        f"    {n} //= 10", returned(acc, n),
    )  # fmt: skip
    return defined(b, words, (Parameter(n, lambda b: b.random.randint(10, 9999)),), lines)


def split(b: Bench) -> Unit:
    """Words of a text."""
    x, mark, w = b.variable(), b.variable(), b.variable()
    sample = Parameter(x, lambda b: b.pick((", ", "-", " ")).join(texts(b, 2, 3)))
    if b.often(0.5):
        words = f"{_return(b)} the number of words in {x}"
        return defined(b, words, (sample,), (f"return len({x}.{site('method', 'split', 'strip', 'upper')}())",))
    change = b.pick(TEXT_CHANGES)(b, w)
    words = f"{_return(b)} the parts of {x} between {mark}, each {change.words}"
    given = (sample, Parameter(mark, lambda b: b.pick(("-", " ", ","))), *change.parameters)
    line = f"return [{change.code} for {w} in {x}.{site('method', 'split', 'partition')}({site('variable', mark, x)})]"
    return defined(b, words, given, (line,))


SHAPES: Sequence[Callable[[Bench], Unit]] = (
    summed, summed, multiplied, counted, counted, filtered, filtered, mapped, mapped, both,
    searched, searched, judged, judged, extreme, extreme, longest, averaged, averaged,
    neighbours, neighbours, ranged, ranged, ranged,
    clamped, graded, computed, computed, priced, delegated, delegated, collected, collected, collected,
    spelled, spelled, tested, tested, joined, ordered, running, paired, digits, split,
)  # fmt: skip
"""What a program of this family may hold, each as often as it is listed."""


def unit(bench: Bench) -> Unit:
    """One function."""
    return bench.pick(SHAPES)(bench)

