"""Classes: what they hold, what adds to it and what shows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from distillation.programs.bench import Bench, Unit
from distillation.programs.layout import document
from distillation.programs.sites import render, site


@dataclass
class _Class:
    """A class that is being written."""

    bench: Bench
    name: str = ""
    code: str = ""
    steps: list[Callable[[Bench], str]] = field(default_factory=list[Callable[[Bench], str]])
    """Calls that a test may make, each with fresh arguments."""

    def __post_init__(self) -> None:
        self.name = "".join(word.capitalize() for word in self.bench.function().split("_"))

    def starts(self, **values: str) -> None:
        """Write the head, with a document that says what it starts with."""
        said = " and ".join(f"{name} {render(value)}" for name, value in values.items())
        lines = "".join(f"        self.{name} = {value}\n" for name, value in values.items())
        head = document(self.bench, f"class {self.name}:", f"Starts with {said}")
        self.code = f"{head}\n    def __init__(self):\n{lines}"

    def method(self, words: str, arguments: Sequence[str], *body: str) -> str:
        """Write a method; a line that begins with `?` can be missing. Returns its name."""
        name = self.bench.function()
        head = document(self.bench, f"def {name}({', '.join(('self', *arguments))}):", words)
        self.code += "\n" + "".join(f"    {line}" for line in head.splitlines(keepends=True))
        self.code += "".join(_line(line) for line in body)
        return name

    def unit(self, shown: Sequence[Callable[[Bench], str]], most: int = 3) -> Unit:
        """The whole; tests take up to `most` steps and look at one of `shown`."""

        def cases(bench: Bench) -> str:
            thing = bench.pick(("thing", "it", "one", "obj"))
            calls = [bench.pick(self.steps)(bench) for _ in range(bench.random.randint(0, most))]
            lines = [f"{thing}.{call}" for call in (*calls, bench.pick(shown)(bench))]
            return "\n".join((f"{thing} = {{m}}{self.name}()", *lines))

        return Unit(self.name, self.code, cases)


def _line(line: str) -> str:
    whole = f"        {line.removeprefix('?')}\n"
    return site("missing update", whole, "") if line.startswith("?") else whole


def _start(value: int) -> str:
    return site("initial value", value, value + 1, value - 1)


def _nothing(value: str) -> str:
    """A start that is not wrong."""
    return site("initial value", value)


def _called(name: str, *samples: Callable[[Bench], object]) -> Callable[[Bench], str]:
    return lambda b: f"{name}({', '.join(repr(sample(b)) for sample in samples)})"


def _small(bench: Bench) -> int:
    return bench.random.randint(1, 9)


def tally(b: Bench) -> Unit:
    """Adds up and counts."""
    made, x, total, count = _Class(b), b.variable(), b.variable(), b.variable()
    made.starts(**{total: _start(0), count: _start(0)})
    to = site("attribute", total, count)
    words = f"Add {x} to {total} and count it in {count}"
    add = made.method(words, (x,), f"self.{to} += {x}", f"?self.{count} += 1")
    made.steps.append(_called(add, _small))
    return made.unit([lambda b: total, lambda b: count])


def account(b: Bench) -> Unit:
    """Something comes and goes; what is not there cannot go."""
    made, x, held, moves = _Class(b), b.variable(), b.variable(), b.variable()
    made.starts(**{held: _start(b.pick((0, 5, 10))), moves: _start(0)})
    to, of = site("attribute", held, moves), site("attribute", held, moves)
    words = f"Add {x} to {held} and count it in {moves}"
    into = made.method(words, (x,), f"self.{to} += {x}", f"?self.{moves} += 1")
    test = f"if {x} {site('inverted condition', '<=', '>')} self.{held}:"
    words = f"Take {x} from {held} if it is at most {held}, and count it in {moves}"
    out = made.method(words, (x,), test, f"    self.{of} -= {x}", f"?    self.{moves} += 1")
    made.steps += [_called(into, _small), _called(into, _small), _called(out, _small)]
    return made.unit([lambda b: held, lambda b: moves])


def record(b: Bench) -> Unit:
    """The largest or smallest value so far, and how many there were."""
    made, x, best, count = _Class(b), b.variable(), b.variable(), b.variable()
    word, sign, wrong, first = b.pick((("largest", ">", "<", 0), ("smallest", "<", ">", 100)))
    made.starts(**{best: _start(first), count: _start(0)})
    test = f"if {x} {site('inverted condition', sign, wrong)} self.{best}:"
    to = site("attribute", best, count)
    words = f"Keep the {word} {x} in {best} and count all in {count}"
    see = made.method(words, (x,), test, f"    self.{to} = {x}", f"?self.{count} += 1")
    made.steps.append(_called(see, lambda b: b.random.randint(2, 90)))
    return made.unit([lambda b: best, lambda b: best, lambda b: count])


def shelf(b: Bench) -> Unit:
    """A list with a limit, and its first or last few."""
    made, x, n, held, lost = _Class(b), b.variable(), b.variable(), b.variable(), b.variable()
    most = b.random.randint(2, 4)
    word, right, wrong = b.pick((("first", f":{n}", f"{n}:"), ("last", f"-{n}:", f":-{n}")))
    made.starts(**{held: _nothing("[]"), lost: _start(0)})
    test = f"if len(self.{held}) {site('inverted condition', '<', '>=')} {most}:"
    words = f"Append {x} to {held} if it has less than {most}, else count it in {lost}"
    body = (test, f"    self.{held}.append({x})", "else:", f"    self.{lost} += 1")
    put = made.method(words, (x,), *body)
    value = f"return self.{held}[{site('slice', right, wrong)}]"
    show = made.method(f"Return the {word} {n} of {held}", (n,), value)
    made.steps.append(_called(put, _small))
    look = _called(show, lambda b: b.random.randint(1, 3))
    return made.unit([lambda b: held, lambda b: lost, look, look], most=5)


def stock(b: Bench) -> Unit:
    """How many of each are there."""
    made, x, n, held, count = _Class(b), b.variable(), b.variable(), b.variable(), b.variable()
    made.starts(**{held: _nothing("{}"), count: _start(0)})
    before = f"self.{held}.get({x}, {_start(0)})"
    words = f"Add {n} of {x} to {held} and to {count}"
    put = made.method(words, (x, n), f"self.{held}[{x}] = {before} + {n}", f"?self.{count} += {n}")
    within = f"{site('inverted condition', 'in', 'not in')} self.{held}"
    ask = made.method(f"Tell whether {x} is in {held}", (x,), f"return {x} {within}")
    words = b.random.sample(("ink", "oak", "tea", "sand", "rope"), 2)
    made.steps.append(_called(put, lambda b: b.pick(words), _small))
    look = _called(ask, lambda b: b.pick(words))
    return made.unit([lambda b: held, lambda b: count, look])


def switch(b: Bench) -> Unit:
    """On or off, and how often it was switched."""
    made, on, count = _Class(b), b.variable(), b.variable()
    state, wrong = b.pick((("False", "True"), ("True", "False")))
    made.starts(**{on: site("initial value", state, wrong), count: _start(0)})
    turned = f"self.{on} = {site('inverted condition', 'not ', '')}self.{on}"
    words = f"Turn {on} round and count it in {count}"
    flip = made.method(words, (), turned, f"?self.{count} += 1")
    value = f"return {site('inverted condition', 'not ', '')}self.{on}"
    ask = made.method(f"Tell whether {on} is false", (), value)
    made.steps.append(_called(flip))
    return made.unit([lambda b: on, lambda b: count, _called(ask)])
