"""Functions on dictionaries, and on parts of texts and lists.

Those that count or keep what fulfils a condition are a family of their own, `tallies`, which
pretraining leaves out: its programs are others than those of `functions`. So are its kinds of bugs,
though a condition the wrong way round changes the same tokens as some wrong operators there. The
demo shows a student that learns it.
"""

from collections.abc import Callable, Sequence

from distillation.programs.bench import Bench, Parameter, Unit
from distillation.programs.layout import defined
from distillation.programs.samples import text, texts
from distillation.programs.sites import site


def _start(value: int) -> str:
    return site("initial value", value, value + 1, value - 1)


def _dictionary(b: Bench) -> dict[str, int]:
    return {b.pick("abcdefgh"): b.random.randint(0, 12) for _ in range(b.random.randint(1, 4))}


def _values(b: Bench) -> list[int]:
    return b.integers(3, 6)


def counts(b: Bench) -> Unit:
    """How often each occurs."""
    xs, x, key, found = (b.variable() for _ in range(4))
    words, value = b.pick(
        (
            (f"Count how often each text occurs in {xs}", x),
            (f"Count the texts in {xs} by their length", f"len({x})"),
            (f"Count the texts in {xs} by their first letter", f"{x}[{site('slice', ':1', '1:')}]"),
            (f"Count the texts in {xs} by their last one", f"{x}[{site('slice', '-1:', ':-1')}]"),
        )
    )
    lines = (
        f"{found} = {{}}",
        f"for {x} in {xs}:",
        f"    {key} = {value}",
        f"    {found}[{key}] = {found}.get({key}, {_start(0)}) + 1",
        f"return {found}",
    )
    return defined(b, words, (Parameter(xs, texts),), lines)


_SIDES = (
    ("above", ">", "<="),
    ("below", "<", ">="),
    ("of at least", ">=", "<"),
    ("of at most", "<=", ">"),
)


def chosen(b: Bench) -> Unit:
    """Entries of a dictionary that fulfil a condition: kept or counted."""
    d, k, v = (b.variable() for _ in range(3))
    number = b.number(2, 9, 0.7)
    words, sign, wrong = b.pick(_SIDES)
    test = f"{v} {site('inverted condition', sign, wrong)} {number.words}"
    given = (Parameter(d, _dictionary), *number.parameters)
    what = f"the entries of {d} with a value {words} {number.words}"
    if b.often(0.5):
        line = f"return {{{k}: {v} for {k}, {v} in {d}.items() if {test}}}"
        return defined(b, f"Return {what}", given, (line,))
    acc = b.variable()
    loop = (f"for {v} in {d}.values():", f"    if {test}:", f"        {acc} += 1")
    return defined(b, f"Count {what}", given, (f"{acc} = {_start(0)}", *loop, f"return {acc}"))


def totals(b: Bench) -> Unit:
    """The sum of a dictionary's values, and their number."""
    d, v, acc, count = (b.variable() for _ in range(4))
    lines = (
        f"{acc} = {_start(0)}",
        f"{count} = {_start(0)}",
        f"for {v} in {d}.values():",
        f"    {acc} += {v}",
        site("missing update", f"        {count} += 1\n", ""),
        f"return {acc}, {count}",
    )
    words = f"Return the sum of the values of {d} and their number"
    return defined(b, words, (Parameter(d, _dictionary),), lines)


def grouped(b: Bench) -> Unit:
    """Texts by a part of them."""
    xs, x, found = (b.variable() for _ in range(3))
    words, key = b.pick(
        (
            ("first letter", site("slice", "0", "-1")),
            ("last letter", site("slice", "-1", "0")),
            ("first two letters", site("slice", ":2", "2:")),
        )
    )
    add = f"    {found}.setdefault({x}[{key}], []).append({x})"
    lines = (f"{found} = {{}}", f"for {x} in {xs}:", add, f"return {found}")
    return defined(b, f"Group the texts in {xs} by {words}", (Parameter(xs, texts),), lines)


def part(b: Bench) -> Unit:
    """A part of a text or of a list."""
    x, n = b.variable(), b.variable()
    many, sample = b.pick((("letters", text), ("values", _values)))
    words, right, *wrong = b.pick(
        (
            (f"the first {n} {many} of {x}", f":{n}", f"{n}:", f":-{n}"),
            (f"{x} without its first {n} {many}", f"{n}:", f":{n}", f"-{n}:"),
            (f"the last {n} {many} of {x}", f"-{n}:", f":-{n}", f"{n}:"),
            (f"{x} without its last {n} {many}", f":-{n}", f"-{n}:", f":{n}"),
            (f"{x} in reverse", "::-1", "::1", ":-1"),
            (f"every second one of the {many} of {x}", "::2", ":2", "2:"),
            (f"{x} without its ends", "1:-1", "1:", ":-1"),
        )
    )
    given = [Parameter(x, sample)]
    if n in right:
        given.append(Parameter(n, lambda b: b.random.randint(1, 3)))
    value = f"{x}[{site('slice', right, *wrong)}]"
    if b.often(0.7):
        return defined(b, f"Return {words}", given, (f"return {value}",))
    most = b.variable()
    test = site("inverted condition", f"len({x}) > {most}", f"len({x}) <= {most}")
    said = f"Return {words}, or {x} itself if it has at most {most} {many}"
    given.append(Parameter(most, lambda b: b.random.randint(2, 5)))
    return defined(b, said, given, (f"if {test}:", f"    return {value}", f"return {x}"))


def moved(b: Bench) -> Unit:
    """Parts of a text put together anew."""
    x, n = b.variable(), b.variable()
    first, last = site("slice", f":{n}", f"{n}:"), site("slice", f"-{n}:", f":-{n}")
    behind, before = site("slice", f"{n}:", f":{n}"), site("slice", f":-{n}", f"-{n}:")
    words, left, right = b.pick(
        (
            (f"{x} with its first {n} letters moved to the end", behind, first),
            (f"{x} with its last {n} letters moved to the front", last, before),
            (f"the first {n} letters of {x} and then the last {n}", first, last),
        )
    )
    given = (Parameter(x, text), Parameter(n, lambda b: b.random.randint(1, 2)))
    return defined(b, f"Return {words}", given, (f"return {x}[{left}] + {x}[{right}]",))


def letters(b: Bench) -> Unit:
    """Letters of a text that are in another one, or are not: counted or kept."""
    x, c, acc, known = (b.variable() for _ in range(4))
    test, wrong = b.pick((("in", "not in"), ("not in", "in")))
    check = f"    if {c} {site('inverted condition', test, wrong)} {known}:"
    sets = ("aeiou", "abc", "rst", "nm")
    given = (Parameter(x, text), Parameter(known, lambda b: b.pick(sets)))
    what = f"the letters of {x} that are {test} {known}"
    if b.often(0.5):
        lines = (f"{acc} = {_start(0)}", f"for {c} in {x}:", check, f"        {acc} += 1")
        return defined(b, f"Count {what}", given, (*lines, f"return {acc}"))
    empty = site("initial value", "''", "' '", "'-'")
    lines = (f"{acc} = {empty}", f"for {c} in {x}:", check, f"        {acc} += {c}")
    return defined(b, f"Keep {what}", given, (*lines, f"return {acc}"))


KINDS = frozenset(("inverted condition", "initial value", "missing update"))
"""The bugs of `tallies`."""

SHAPES: Sequence[Callable[[Bench], Unit]] = (chosen, chosen, totals, letters, letters)
"""What a program of `tallies` may hold, each as often as it is listed."""


def unit(bench: Bench) -> Unit:
    """One function."""
    return bench.pick(SHAPES)(bench)
