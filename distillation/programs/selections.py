"""Functions that choose from lists, change what is in them, or judge it."""

from distillation.programs.arguments import listed, texts_of
from distillation.programs.bench import Bench, Parameter, Unit
from distillation.programs.layout import defined, give, returned, that, whole
from distillation.programs.pieces import TEXT_CHANGES
from distillation.programs.samples import texts
from distillation.programs.sites import site


def filtered(b: Bench) -> Unit:
    """A list of those that fulfil a condition."""
    xs, conditions, _, what = listed(b)
    x, acc = b.variable(), b.variable()
    condition = b.pick(conditions)(b, x)
    verb = b.pick(("Return", "Keep", "Collect", "Return a list of"))
    words = f"{verb} {that(condition, 'the ' + b.pick(what) + ' in ' + xs.name)}"
    parameters = (xs, *condition.parameters)
    if b.often(0.45):
        return defined(
            b, words, parameters, (f"return [{x} for {x} in {xs.name} if {condition.code}]",)
        )
    step = f"        {acc}.append({site('variable', x, xs.name)})"
    lines = (
        f"{acc} = []",
        f"for {x} in {xs.name}:",
        f"    if {condition.code}:",
        step,
        returned(acc, x),
    )
    return defined(b, words, parameters, lines)


def mapped(b: Bench) -> Unit:
    """A list of changed values."""
    xs, _, changes, what = listed(b)
    x, acc = b.variable(), b.variable()
    change = b.pick(changes)(b, x)
    words = f"{give(b)} a list of the {b.pick(what)} in {xs.name}, each {change.words}"
    parameters = (xs, *change.parameters)
    if b.often(0.45):
        return defined(b, words, parameters, (f"return [{change.code} for {x} in {xs.name}]",))
    step = f"    {acc}.append({change.code})"
    return defined(
        b, words, parameters, (f"{acc} = []", f"for {x} in {xs.name}:", step, returned(acc, x))
    )


def both(b: Bench) -> Unit:
    """Changed values of those that fulfil a condition."""
    xs, conditions, changes, what = listed(b)
    x, acc = b.variable(), b.variable()
    condition, change = b.pick(conditions)(b, x), b.pick(changes)(b, x)
    verb, which = give(b), that(condition, f"the {b.pick(what)} in {xs.name}")
    words = f"{verb} {which}, each {change.words}"
    parameters = (xs, *condition.parameters, *change.parameters)
    if b.often(0.4):
        return defined(
            b,
            words,
            parameters,
            (f"return [{change.code} for {x} in {xs.name} if {condition.code}]",),
        )
    step = f"        {acc}.append({change.code})"
    lines = (
        f"{acc} = []",
        f"for {x} in {xs.name}:",
        f"    if {condition.code}:",
        step,
        returned(acc, x),
    )
    return defined(b, words, parameters, lines)


def searched(b: Bench) -> Unit:
    """The first one that fulfils a condition, or its place."""
    xs, conditions, _, what = listed(b)
    x, i = b.variable(), b.variable()
    condition = b.pick(conditions)(b, x)
    place = b.often(0.5)
    one = b.pick(what).removesuffix("s")
    which = (
        that(condition, one + " in " + xs.name)
        .replace("that are", "that is")
        .replace(" where each", " that")
    )
    none, wrong = ("-1", "0") if place else ("None", x)
    words = f"{give(b)} the {'index of the ' if place else ''}first {which}, or {none}"
    found = site("variable", i, x) if place else x
    loop = f"for {i}, {x} in enumerate({xs.name}):" if place else f"for {x} in {xs.name}:"
    last = f"return {site('constant', none, wrong)}"
    lines = (
        loop,
        f"    if {condition.code}:",
        whole("missing return", f"        return {found}", f"        {i if place else x}"),
        last,
    )
    return defined(b, words, (xs, *condition.parameters), lines)


def judged(b: Bench) -> Unit:
    """Whether any or all fulfil a condition."""
    xs, conditions, _, what = listed(b)
    x = b.variable()
    condition = b.pick(conditions)(b, x)
    word, other = b.pick((("any", "all"), ("all", "any")))
    which = b.pick(what)
    said = (
        that(condition, f"{which} in {xs.name}").replace("that are", "are").replace("that is", "is")
    )
    words = f"{b.pick(('Tell', 'Return', 'Check'))} whether {word} of the {said}"
    parameters = (xs, *condition.parameters)
    if b.often(0.5):
        return defined(
            b,
            words,
            parameters,
            (f"return {site('method', word, other)}({condition.code} for {x} in {xs.name})",),
        )
    early, late = ("True", "False") if word == "any" else ("False", "True")
    test = condition.code if word == "any" else f"not ({condition.code})"
    found = (f"return {site('constant', early, late)}", early)
    lines = (
        f"for {x} in {xs.name}:", f"    if {test}:",
        whole("missing return", *(f"        {value}" for value in found)),
        f"return {site('constant', late, early)}",
    )  # fmt: skip
    return defined(b, words, parameters, lines)


def ordered(b: Bench) -> Unit:
    """A sorted list."""
    xs, conditions, _, what = listed(b)
    order, right, wrong = b.pick(
        (("smallest first", "False", "True"), ("largest first", "True", "False"))
    )
    turned = site("constant", right, wrong)
    words = f"{give(b)} the {b.pick(what)} in {xs.name}, {order}"
    if b.often(0.4):
        x = b.variable()
        condition = b.pick(conditions)(b, x)
        words = f"{give(b)} {that(condition, 'the ' + b.pick(what) + ' in ' + xs.name)}, {order}"
        kept = f"[{x} for {x} in {xs.name} if {condition.code}]"
        line = f"return sorted({kept}, reverse={turned})"
        return defined(b, words, (xs, *condition.parameters), (line,))
    return defined(
        b,
        words,
        (xs,),
        (f"return {site('method', 'sorted', 'list')}({xs.name}, reverse={turned})",),
    )


def joined(b: Bench) -> Unit:
    """Texts put together."""
    xs, mark = b.variable(), b.variable()
    x = b.variable()
    change = b.pick(TEXT_CHANGES)(b, x)
    words = f"{give(b)} the texts in {xs}, each {change.words}, joined by {mark}"
    sample = Parameter(mark, lambda b: b.pick(("-", ", ", " ", "/")))
    acc = b.variable()
    lines = (
        f"{acc} = [{change.code} for {x} in {xs}]",
        f"return {mark}.join({site('variable', acc, xs)})",
    )
    return defined(b, words, (texts_of(xs), sample, *change.parameters), lines)


def split(b: Bench) -> Unit:
    """Words of a text."""
    x, mark, w = b.variable(), b.variable(), b.variable()
    sample = Parameter(x, lambda b: b.pick((", ", "-", " ")).join(texts(b, 2, 3)))
    if b.often(0.5):
        words = f"{give(b)} the number of words in {x}"
        return defined(
            b, words, (sample,), (f"return len({x}.{site('method', 'split', 'strip', 'upper')}())",)
        )
    change = b.pick(TEXT_CHANGES)(b, w)
    words = f"{give(b)} the parts of {x} between {mark}, each {change.words}"
    given = (sample, Parameter(mark, lambda b: b.pick(("-", " ", ","))), *change.parameters)
    parted = f"{x}.{site('method', 'split', 'partition')}({site('variable', mark, x)})"
    line = f"return [{change.code} for {w} in {parted}]"
    return defined(b, words, given, (line,))
