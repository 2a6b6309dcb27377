"""The family that pretraining leaves out: classes, dictionaries and parts of texts.

Its bugs are of other kinds than those of `functions`, too: the demo shows a student that learns it.
"""

from collections.abc import Callable, Sequence

from distillation.programs.bench import Bench, Parameter, Unit
from distillation.programs.pieces import defined, document, text, texts
from distillation.programs.sites import site

KINDS = frozenset(
    ("attribute", "missing update", "slice", "inverted condition", "initial value")
)
"""The bugs of this family."""


def _class(b: Bench) -> str:
    return "".join(word.capitalize() for word in b.function().split("_"))


def _method(b: Bench, name: str, arguments: str, words: str, *body: str) -> str:
    head = document(b, f"def {name}(self{arguments}):", words)
    inner = "".join(_line(line, "        ") for line in body)
    return "\n" + "".join(f"    {line}" for line in head.splitlines(True)) + inner


def _line(line: str, indent: str) -> str:
    """An indented line; one that can be missing is a mark of its own."""
    missing, _, rest = line.rpartition("?")
    whole = f"{indent}{rest}\n"
    return site("missing update", whole, "") if missing == "" and line.startswith("?") else whole


def _update(line: str) -> str:
    """A line that can be missing."""
    return f"?{line}"


def _start(b: Bench, *lines: str) -> str:
    return "    def __init__(self):\n" + "".join(f"        {line}\n" for line in lines)


def _made(name: str, steps: Callable[[Bench, str], Sequence[str]]) -> Callable[[Bench], str]:
    """Cases of a class: an object is made, steps are taken, and the last one is looked at."""

    def make(b: Bench) -> str:
        thing = b.pick(("thing", "it", "one", "obj"))
        return "\n".join((f"{thing} = {{m}}{name}()", *steps(b, thing)))

    return make


def _initial(right: int) -> str:
    return site("initial value", right, right + 1, right - 1)


def tally(b: Bench) -> Unit:
    """Adds up and counts."""
    name, add, x, total, count = _class(b), b.function(), b.variable(), b.variable(), b.variable()
    code = (
        f"class {name}:\n" + _start(b, f"self.{total} = {_initial(0)}", f"self.{count} = {_initial(0)}")
        + _method(b, add, f", {x}", f"Add {x} to {total} and count it in {count}",
                  f"self.{site('attribute', total, count)} += {x}", _update(f"self.{count} += 1"))
    )  # fmt: skip

    def steps(b: Bench, thing: str) -> list[str]:
        calls = [f"{thing}.{add}({b.random.randint(2, 9)})" for _ in range(b.pick((0, 1, 2, 3)))]
        return [*calls, f"{thing}.{b.pick((total, count))}"]

    return Unit(name, code, _made(name, steps))


def account(b: Bench) -> Unit:
    """Money comes and goes; what is not there cannot go."""
    name, into, out, x, held, moves = (
        _class(b), b.function(), b.function(), b.variable(), b.variable(), b.variable(),
    )  # fmt: skip
    start = b.pick((0, 0, 10, 5))
    sign = site("inverted condition", "<=", ">")
    code = (
        f"class {name}:\n" + _start(b, f"self.{held} = {_initial(start)}", f"self.{moves} = {_initial(0)}")
        + _method(b, into, f", {x}", f"Add {x} to {held} and count it in {moves}",
                  f"self.{site('attribute', held, moves)} += {x}", _update(f"self.{moves} += 1"))
        + _method(b, out, f", {x}", f"Take {x} from {held} if there is as much, and count it in {moves}",
                  f"if {x} {sign} self.{held}:", f"    self.{site('attribute', held, moves)} -= {x}",
                  _update(f"    self.{moves} += 1"))
    )  # fmt: skip

    def steps(b: Bench, thing: str) -> list[str]:
        calls = [f"{thing}.{b.pick((into, into, out))}({b.random.randint(1, 9)})" for _ in range(b.pick((0, 1, 2, 3)))]
        return [*calls, f"{thing}.{b.pick((held, held, moves))}"]

    return Unit(name, code, _made(name, steps))


def record(b: Bench) -> Unit:
    """The largest or smallest value so far, and how many there were."""
    name, see, x, best, count = _class(b), b.function(), b.variable(), b.variable(), b.variable()
    word, sign, wrong, first = b.pick((("largest", ">", "<", 0), ("smallest", "<", ">", 100)))
    code = (
        f"class {name}:\n" + _start(b, f"self.{best} = {_initial(first)}", f"self.{count} = {_initial(0)}")
        + _method(b, see, f", {x}", f"Keep the {word} {x} in {best} and count all in {count}",
                  f"if {x} {site('inverted condition', sign, wrong)} self.{best}:",
                  f"    self.{site('attribute', best, count)} = {x}", _update(f"self.{count} += 1"))
    )  # fmt: skip

    def steps(b: Bench, thing: str) -> list[str]:
        calls = [f"{thing}.{see}({b.random.randint(2, 90)})" for _ in range(b.pick((0, 1, 2, 3)))]
        return [*calls, f"{thing}.{b.pick((best, best, count))}"]

    return Unit(name, code, _made(name, steps))


def shelf(b: Bench) -> Unit:
    """A list with a limit, and its first and last few."""
    name, put, show, x, n, held, lost = (
        _class(b), b.function(), b.function(), b.variable(), b.variable(), b.variable(), b.variable(),
    )  # fmt: skip
    most = b.random.randint(2, 4)
    word, right, wrong = b.pick((("first", f":{n}", f"{n}:"), ("last", f"-{n}:", f":-{n}")))
    code = (
        f"class {name}:\n" + _start(b, f"self.{held} = []", f"self.{lost} = {_initial(0)}")
        + _method(b, put, f", {x}", f"Append {x} to {held} if it has less than {most}, else count it in {lost}",
                  f"if len(self.{held}) {site('inverted condition', '<', '>=')} {most}:",
                  f"    self.{held}.append({x})", "else:", f"    self.{lost} += 1")
        + _method(b, show, f", {n}", f"Return the {word} {n} of {held}",
                  f"return self.{held}[{site('slice', right, wrong)}]")
    )  # fmt: skip

    def steps(b: Bench, thing: str) -> list[str]:
        calls = [f"{thing}.{put}({b.random.randint(1, 20)})" for _ in range(b.pick((1, 2, 3, 4, 5)))]
        return [*calls, f"{thing}.{b.pick((held, lost, f'{show}({b.random.randint(1, 3)})'))}"]

    return Unit(name, code, _made(name, steps))


def stock(b: Bench) -> Unit:
    """How many of each are there."""
    name, put, ask, x, n, held, count = (
        _class(b), b.function(), b.function(), b.variable(), b.variable(), b.variable(), b.variable(),
    )  # fmt: skip
    code = (
        f"class {name}:\n" + _start(b, f"self.{held} = {{}}", f"self.{count} = {_initial(0)}")
        + _method(b, put, f", {x}, {n}", f"Add {n} of {x} to {held} and to {count}",
                  f"self.{held}[{x}] = self.{held}.get({x}, {_initial(0)}) + {n}", _update(f"self.{count} += {n}"))
        + _method(b, ask, f", {x}", f"Tell whether {x} is in {held}",
                  f"return {x} {site('inverted condition', 'in', 'not in')} self.{site('attribute', held, count)}")
    )  # fmt: skip

    def steps(b: Bench, thing: str) -> list[str]:
        names = [text(b).strip() for _ in range(2)]
        calls = [f"{thing}.{put}({b.pick(names)!r}, {b.random.randint(1, 9)})" for _ in range(b.pick((1, 2, 3)))]
        return [*calls, f"{thing}.{b.pick((held, count, f'{ask}({b.pick(names)!r})'))}"]

    return Unit(name, code, _made(name, steps))


def switch(b: Bench) -> Unit:
    """On or off, and how often it was switched."""
    name, flip, is_on, on, count = _class(b), b.function(), b.function(), b.variable(), b.variable()
    state, wrong = b.pick((("False", "True"), ("True", "False")))
    code = (
        f"class {name}:\n" + _start(b, f"self.{on} = {site('initial value', state, wrong)}", f"self.{count} = {_initial(0)}")
        + _method(b, flip, "", f"Turn {on} round and count it in {count}",
                  f"self.{on} = {site('inverted condition', 'not ', '')}self.{on}", _update(f"self.{count} += 1"))
        + _method(b, is_on, "", f"Tell whether {on} is false", f"return {site('inverted condition', 'not ', '')}self.{site('attribute', on, count)}")
    )  # fmt: skip

    def steps(b: Bench, thing: str) -> list[str]:
        return [f"{thing}.{flip}()"] * b.pick((0, 1, 2, 3)) + [f"{thing}.{b.pick((on, count, is_on + '()'))}"]

    return Unit(name, code, _made(name, steps))


def counts(b: Bench) -> Unit:
    """How often each occurs."""
    xs, x, found = (b.variable() for _ in range(3))
    words, key = b.pick(
        (
            (f"Count how often each text occurs in {xs}", x),
            (f"Count the texts in {xs} by their length", f"len({x})"),
            (f"Count the texts in {xs} by their first letter", f"{x}[{site('slice', ':1', '1:')}]"),
            (f"Count the texts in {xs} by their last letter", f"{x}[{site('slice', '-1:', ':-1')}]"),
        )
    )
    lines = (
        f"{found} = {{}}", f"for {x} in {xs}:",
        f"    {found}[{key}] = {found}.get({key if '‹' not in key else key.split('¦')[1].join((x + '[', ']'))}, {_initial(0)}) + 1",
        f"return {found}",
    )  # fmt: skip
    return defined(b, words, (Parameter(xs, texts),), lines)


def chosen(b: Bench) -> Unit:
    """Entries of a dictionary that fulfil a condition."""
    d, k, v = (b.variable() for _ in range(3))
    number = b.number(2, 9, 0.7)
    words, sign, wrong = b.pick((("above", ">", "<="), ("below", "<", ">="), ("of at least", ">=", "<"), ("of at most", "<=", ">")))
    code = f"{v} {site('inverted condition', sign, wrong)} {number.words}"
    given = (Parameter(d, _dictionary), *number.parameters)
    if b.often(0.5):
        acc = b.variable()
        said = f"Count the entries of {d} with a value {words} {number.words}"
        lines = (
            f"{acc} = {_initial(0)}", f"for {v} in {d}.values():", f"    if {code}:",
            f"        {acc} += 1", f"return {acc}",
        )  # fmt: skip
        return defined(b, said, given, lines)
    said = f"Return the entries of {d} with a value {words} {number.words}"
    return defined(b, said, given, (f"return {{{k}: {v} for {k}, {v} in {d}.items() if {code}}}",))


def _dictionary(b: Bench) -> dict[str, int]:
    return {b.pick("abcdefgh"): b.random.randint(0, 12) for _ in range(b.random.randint(1, 4))}


def totals(b: Bench) -> Unit:
    """Totals of a dictionary's values, and their number."""
    d, v, acc, count = (b.variable() for _ in range(4))
    words = f"Return the sum of the values of {d} and their number"
    lines = (
        f"{acc} = {_initial(0)}", f"{count} = {_initial(0)}", f"for {v} in {d}.values():",
        f"    {acc} += {v}", site("missing update", f"        {count} += 1\n", ""),
        f"return {acc}, {count}",
    )  # fmt: skip
    return defined(b, words, (Parameter(d, _dictionary),), lines)


def grouped(b: Bench) -> Unit:
    """Texts by length or letter."""
    xs, x, found = (b.variable() for _ in range(3))
    words, key = b.pick(
        (
            ("length", f"len({x})"),
            ("first letter", f"{x}[{site('slice', '0', '-1')}]"),
            ("last letter", f"{x}[{site('slice', '-1', '0')}]"),
            ("first two letters", f"{x}[{site('slice', ':2', '2:', ':1')}]"),
        )
    )
    lines = (f"{found} = {{}}", f"for {x} in {xs}:", f"    {found}.setdefault({key}, []).append({x})", f"return {found}")
    return defined(b, f"Group the texts in {xs} by {words}", (Parameter(xs, texts),), lines)


def part(b: Bench) -> Unit:
    """A part of a text or of a list."""
    x, n = b.variable(), b.variable()
    many, sample = b.pick((("letters", text), ("values", lambda b: b.integers(3, 6))))
    words, right, *wrong = b.pick(
        (
            (f"the first {n} {many} of {x}", f":{n}", f"{n}:", f":-{n}"),
            (f"{x} without its first {n} {many}", f"{n}:", f":{n}", f"-{n}:"),
            (f"the last {n} {many} of {x}", f"-{n}:", f":-{n}", f"{n}:"),
            (f"{x} without its last {n} {many}", f":-{n}", f"-{n}:", f":{n}"),
            (f"{x} in reverse", "::-1", "::1", ":-1"),
            (f"every second one of the {many} of {x}", "::2", ":2", "2:"),
            (f"every third one of the {many} of {x}", "::3", ":3", "3:"),
            (f"{x} without its ends", "1:-1", "1:", ":-1"),
        )
    )
    given = [Parameter(x, sample), *([Parameter(n, lambda b: b.random.randint(1, 3))] if n in right else [])]
    value = f"{x}[{site('slice', right, *wrong)}]"
    if b.often(0.3):
        other = b.variable()
        test, opposite = b.pick(((f"len({x}) > {other}", f"len({x}) <= {other}"),))
        said = f"Return {words}, or {x} itself if it has at most {other} {many}"
        lines = (f"if {site('inverted condition', test, opposite)}:", f"    return {value}", f"return {x}")
        return defined(b, said, (*given, Parameter(other, lambda b: b.random.randint(2, 5))), lines)
    return defined(b, f"Return {words}", given, (f"return {value}",))


def moved(b: Bench) -> Unit:
    """Parts of a text or a list put together anew."""
    x, n = b.variable(), b.variable()
    words, left, right = b.pick(
        (
            (f"{x} with its first {n} letters moved to the end", (f"{n}:", f":{n}"), (f":{n}", f"{n}:")),
            (f"{x} with its last {n} letters moved to the front", (f"-{n}:", f":-{n}"), (f":-{n}", f"-{n}:")),
            (f"the first {n} letters of {x} and then the last {n}", (f":{n}", f"{n}:"), (f"-{n}:", f":-{n}")),
        )
    )
    given = (Parameter(x, text), Parameter(n, lambda b: b.random.randint(1, 2)))
    line = f"return {x}[{site('slice', *left)}] + {x}[{site('slice', *right)}]"
    return defined(b, f"Return {words}", given, (line,))


def vowels(b: Bench) -> Unit:
    """Letters of a text, counted or kept, that are in a set or not."""
    x, c, acc, letters = (b.variable() for _ in range(4))
    word, test, wrong = b.pick((("in", "in", "not in"), ("not in", "not in", "in")))
    check = f"{c} {site('inverted condition', test, wrong)} {letters}"
    given = (Parameter(x, text), Parameter(letters, lambda b: b.pick(("aeiou", "abc", "rst", "nm"))))
    if b.often(0.5):
        lines = (
            f"{acc} = {_initial(0)}", f"for {c} in {x}:", f"    if {check}:", f"        {acc} += 1", f"return {acc}",
        )  # fmt: skip
        return defined(b, f"Count the letters of {x} that are {word} {letters}", given, lines)
    empty = site("initial value", "''", "' '", "'-'")
    lines = (
        f"{acc} = {empty}", f"for {c} in {x}:", f"    if {check}:", f"        {acc} += {c}", f"return {acc}",
    )  # fmt: skip
    return defined(b, f"Keep the letters of {x} that are {word} {letters}", given, lines)


SHAPES: Sequence[Callable[[Bench], Unit]] = (
    tally, account, record, shelf, stock, switch, tally, account, record,
    counts, chosen, totals, grouped, part, part, moved, vowels,
)  # fmt: skip
"""What a program of this family may hold, each as often as it is listed."""


def unit(bench: Bench) -> Unit:
    """One class or function."""
    return bench.pick(SHAPES)(bench)
