"""Functions on single numbers and texts."""

from distillation.programs.bench import Bench, Parameter, Unit
from distillation.programs.layout import defined, give, returned, whole
from distillation.programs.pieces import NUMBER_CONDITIONS, TEXT_CHANGES, TEXT_CONDITIONS
from distillation.programs.samples import text
from distillation.programs.sites import site


def clamped(b: Bench) -> Unit:
    """A number held within bounds."""
    x = b.variable()
    low, high = b.number(1, 5, 0.6), b.number(7, 12, 0.6)
    parameters = (Parameter(x, lambda b: b.integer()), *low.parameters, *high.parameters)
    words = f"{give(b)} {x}, but at least {low.words} and at most {high.words}"
    if b.often(0.4):
        inner = f"{site('method', 'min', 'max')}({high.words}, {x})"
        line = f"return {site('method', 'max', 'min')}({low.words}, {inner})"
        return defined(b, words, parameters, (line,))
    lines = (
        f"if {x} {site('comparison', '<', '>')} {low.words}:",
        f"    return {site('variable', low.words, high.words)}",
        f"if {x} {site('comparison', '>', '<')} {high.words}:",
        f"    return {site('variable', high.words, low.words)}",
        returned(x),
    )
    return defined(b, words, parameters, lines)


def graded(b: Bench) -> Unit:
    """A word for a number, by thresholds."""
    x = b.variable()
    high, low = sorted(b.random.sample(range(2, 14), 2), reverse=True)
    b.near += [high, low]
    names = b.random.sample(
        ("good", "fair", "bad", "high", "low", "hot", "cold", "big", "small", "A", "B", "C"), 3
    )
    phrase, sign, wrong = b.pick((("at least", ">=", ">"), ("more than", ">", ">=")))
    first = f"Return '{names[0]}' for {x} {phrase} {high}"
    words = f"{first}, '{names[1]}' for {phrase} {low}, else '{names[2]}'"
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
    plus, times = f"{x} {site('operator', '+', '-')} {y}", f"{x} {site('operator', '*', '+')} {y}"
    around = f"{site('constant', 2, 4)} * ({x} {site('operator', '+', '*', '-')} {y})"
    apart = f"{x} {site('operator', '-', '+')} {y}"
    divided = f"{x} {site('operator', '//', '*', '%')} {y}"
    larger = f"{x} if {x} {site('comparison', '>', '<')} {y} else {y}"
    smaller = f"{x} if {x} {site('comparison', '<', '>')} {y} else {y}"
    words, code, count = b.pick(
        (
            (f"{x} plus {y}", f"{x} {site('operator', '+', '-', '*')} {y}", 2),
            (f"{x} minus {y}", f"{site('swapped arguments', f'{x} - {y}', f'{y} - {x}')}", 2),
            (f"{x} times {y}", f"{x} {site('operator', '*', '+', '-')} {y}", 2),
            (f"{x} divided by {y} and rounded down", divided, 2),
            (f"the remainder of {x} divided by {y}", f"{x} {site('operator', '%', '//')} {y}", 2),
            (f"{x} to the power of {y}", f"{x} {site('operator', '**', '*')} {y}", 2),
            (f"{x} plus {y} minus {z}", f"{plus} {site('operator', '-', '+')} {z}", 3),
            (f"{x} times {y} plus {z}", f"{times} {site('operator', '+', '-')} {z}", 3),
            (f"the area of a rectangle with sides {x} and {y}", times, 2),
            (f"the perimeter of a rectangle with sides {x} and {y}", around, 2),
            (f"the larger of {x} and {y}", larger, 2),
            (f"the smaller of {x} and {y}", smaller, 2),
            (f"the distance between {x} and {y}", f"{site('method', 'abs', 'float')}({apart})", 2),
        )
    )  # fmt: skip
    if b.often(0.4):
        acc = b.variable()
        return defined(
            b, f"{give(b)} {words}", given[:count], (f"{acc} = {code}", returned(acc, x))
        )
    return defined(b, f"{give(b)} {words}", given[:count], (f"return {code}",))


def priced(b: Bench) -> Unit:
    """A price with a discount, a fee or a tax."""
    price, rate = b.variable(), b.random.randint(1, 9) * 5
    given = Parameter(price, lambda b: b.random.randint(1, 30) * 20)
    word, sign, wrong = b.pick((("plus", "+", "-"), ("minus", "-", "+")))
    limit = b.number(2, 9, 0.4)
    b.near += [100, 200]
    phrase, compare, other = b.pick(
        (("more than", ">", ">="), ("at least", ">=", ">"), ("less than", "<", ">"))
    )
    percent = (
        f"{price} * {site('constant', rate, rate + 5, rate * 2)} // {site('constant', 100, 10)}"
    )
    if b.often(0.5):
        words = f"{give(b)} {price} {word} {rate} percent"
        return defined(
            b, words, (given,), (f"return {price} {site('operator', sign, wrong)} {percent}",)
        )
    when = f"if it is {phrase} {limit.words} times 100"
    words = f"{give(b)} {price} {word} {rate} percent {when}, else {price}"
    edge = Parameter(price, lambda b: b.random.randint(1, 12) * 100)
    lines = (
        f"if {price} {site('comparison', compare, other)} {limit.code} * 100:",
        f"    return {price} {site('operator', sign, wrong)} {percent}", returned(price),
    )  # fmt: skip
    return defined(b, words, (edge, *limit.parameters), lines)


def tested(b: Bench) -> Unit:
    """Whether one number or text fulfils a condition."""
    x = b.variable()
    if b.often(0.6):
        condition, sample = b.pick(NUMBER_CONDITIONS)(b, x), Parameter(x, lambda b: b.integer())
        words = f"is {condition.words}"
    else:
        condition, sample = b.pick(TEXT_CONDITIONS)(b, x), Parameter(x, text)
        words = condition.words.removeprefix("that ")
        words = (
            f"is {words}"
            if words.startswith(("longer", "shorter"))
            else words.replace("with at", "has at")
        )
    line = f"return {condition.code}"
    said = f"{b.pick(('Tell', 'Return', 'Check'))} whether {x} {words}"
    return defined(b, said, (sample, *condition.parameters), (line,))


def spelled(b: Bench) -> Unit:
    """A text that is changed."""
    x, acc = b.variable(), b.variable()
    change = b.pick(TEXT_CHANGES)(b, x)
    parameters = (Parameter(x, text), *change.parameters)
    words = f"{give(b)} {x} {change.words}"
    empty = b.pick(("'none'", "'-'", "'empty'"))
    if b.often(0.3):
        case = whole("missing case", f"if not {x}:\n    return {empty}", "")
        maybe = Parameter(x, lambda b: "" if b.often(0.5) else text(b))
        words += f", or {empty} if it is empty"
        return defined(b, words, (maybe, *change.parameters), (case, f"return {change.code}"))
    if b.often(0.4):
        return defined(b, words, parameters, (f"{acc} = {change.code}", returned(acc, x)))
    return defined(b, words, parameters, (f"return {change.code}",))


def delegated(b: Bench) -> Unit:
    """A helper and a function that calls it: arguments can be swapped."""
    x, y, p, q, helper = b.variable(), b.variable(), b.variable(), b.variable(), b.function()
    words, sign = b.pick(
        (("minus", "-"), ("divided by", "//"), ("to the power of", "**"), ("modulo", "%"))
    )
    more, plus, wrong = b.pick((("plus", "+", "-"), ("times", "*", "+"), ("minus", "-", "+")))
    number = b.random.randint(1, 9)
    doc = f'"""Return {x} {words} {y}."""'
    head = f"def {helper}({x}, {y}):\n    {doc}\n    return {x} {sign} {y}\n\n\n"
    order = b.often(0.5)
    first, second = (p, q) if order else (q, p)
    swap = site("swapped arguments", f"{first}, {second}", f"{second}, {first}")
    said = f"{give(b)} {first} {words} {second}, {more} {number}"
    number_site = site("constant", number, number + 1, number + 5)
    line = f"return {helper}({swap}) {site('operator', plus, wrong)} {number_site}"
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
    add = f"    {acc}.append({site('variable', x, acc)})\n"
    code = f"def {name}({x}, {wrong}):\n{doc}{case}{add}{returned(acc, x)}"

    def cases(bench: Bench) -> str:
        one, two = (
            (bench.integer(), bench.integer()) if kind == "number" else (text(bench), text(bench))
        )
        call = f"{{m}}{name}({one!r})"
        return bench.pick(
            (
                f"({call}, {{m}}{name}({two!r}))",
                f"({call}, {{m}}{name}({two!r}))",
                f"{{m}}{name}({one!r}, [{two!r}])",
            )
        )

    return Unit(name, code, cases)
