"""Jinja that comes to an end: a chat template is a stranger's program, and may be a hostile one.

Jinja's sandbox keeps a template from the machine, but lets it run for ever and fill the memory.
Here each pass through a loop or a macro and each letter that is made costs something, and what a
rendering may spend is bounded. Does not cover: what Jinja itself needs to read a template, which
grows with the template; so its size is bounded, too.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Sized
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2 import Environment, TemplateError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST = 500_000
"""Characters of a template; those in use have 20,000 at most."""
LEAST = 5_000_000
"""What a rendering may spend, in letters and steps, whatever it renders."""
SHARE = 100
"""And for each letter of what it renders."""
_STEP = 50
"""What a pass through a loop or a macro costs."""
_MULTIPLY = frozenset({"batch", "expandtabs", "indent", "join", "replace", "tojson", "wordwrap"})
"""Methods and filters that may put an argument into the text many times."""
_COPY = _MULTIPLY | {"center", "format", "slice", "string"}
"""Filters whose result, or whose work, may be more than the value is long."""
_PERCENT = re.compile(r"%[^a-zA-Z%]*(?:\*|\d{5})")
_BRACES = re.compile(r"\{[^{}]*(?:\{|\d{5})")

# A text's method, and the filter of its name.
_FORMATS = {"format": re.compile(f"{_PERCENT.pattern}|{_BRACES.pattern}"), "format_map": _BRACES}

_LEFT: ContextVar[list[int]] = ContextVar("left")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Templates of this environment spend what `allow` set for the rendering."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Jinja's own
        super().__init__(finalize=self.spend, **options)
        self.globals.pop("lipsum", None)

    def bound_filters(self) -> None:
        """Bound the filters, once all of them are there."""
        self.filters = {name: self._bound(name, made) for name, made in self.filters.items()}

    def spend(self, value: Any, cost: int = 1) -> Any:  # noqa: ANN401 - any value of a template
        """Pay for a value, and give it back.

        Raises:
            TemplateError: all is spent.
        """
        left = _LEFT.get()
        waiting = [value]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Mapping):
                waiting += [*part, *part.values()]
            elif isinstance(part, list | tuple):
                waiting += part
            cost += len(part) if isinstance(part, str) else 1
            if cost > left[0] or len(waiting) > left[0]:
                raise TemplateError("the template does not come to an end, or makes too much text")
        left[0] -= cost
        return value

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        """Compute `left operator right`, if that is not too much."""
        if operator == "**":
            self.spend(None, abs(left.bit_length() * right) if _whole(left, right) else 1)
        if operator == "%" and isinstance(left, str):
            _check(_PERCENT, left)
        if operator == "*":
            self.spend(None, _length(left) * _length(right))
        return self.spend(super().call_binop(context, operator, left, right))

    def call(self, context: Context, called: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call a function; a text's methods cost what they may make."""
        # The sandbox hands out a wrapper of `format`.
        owner = getattr(getattr(called, "__wrapped__", called), "__self__", None)
        if isinstance(owner, str):
            self._weigh(called.__name__, owner, [*args, *kwargs.values()])
        return super().call(context, called, *args, **kwargs)

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,
    ) -> str:
        repeated = (nodes.For, nodes.Macro, nodes.CallBlock)
        for node in [node for kind in repeated for node in source.find_all(kind)]:
            text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
            pay = self._payment(nodes.Const(""), nodes.Const(_STEP + text))
            node.body.insert(0, nodes.Output([pay]).set_lineno(node.lineno))
            if isinstance(node, nodes.For) and node.test:
                pay = self._payment(nodes.Const(True), nodes.Const(_STEP))
                node.test = nodes.And(pay, node.test).set_lineno(node.lineno)
        for joined in list(source.find_all(nodes.Concat)):
            joined.nodes = [self._payment(part) for part in joined.nodes]
        return super()._generate(source, name, filename, defer_init)

    def _payment(self, *args: nodes.Expr) -> nodes.Expr:
        call = nodes.Call(nodes.EnvironmentAttribute("spend"), list(args), [], None, None)
        call.set_lineno(args[0].lineno or 1).set_environment(self)
        return call

    def _bound(self, name: str, made: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(made)
        def bounded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            # Some are given Jinja's own state before the value.
            given: list[Any] = [
                a for a in args if not isinstance(a, Context | Environment | nodes.EvalContext)
            ]
            value, *others = [*given, *kwargs.values()] or [""]
            if name not in _COPY:
                self.spend(None, _length(value))
                return made(*args, **kwargs)
            self._weigh(name, value, others)
            return self.spend(made(*args, **kwargs))

        return bounded

    def _weigh(self, name: str, value: Any, given: Sequence[Any]) -> None:  # noqa: ANN401
        if name in _FORMATS:
            _check(_FORMATS[name], str(value))
        most = max([_length(argument) for argument in given], default=0)
        self.spend(value, (1 + _length(value)) * most if name in _MULTIPLY else most)
        if name == "join":
            self.spend(list(given))


def allow(amount: int) -> None:
    """Set what may be spent from now on in this thread or task, in letters and steps."""
    _LEFT.set([amount])


def _check(wide: re.Pattern[str], form: str) -> None:
    if wide.search(form):
        raise TemplateError("the template formats with a width out of all reason")


def _whole(*values: Any) -> bool:  # noqa: ANN401
    return all(isinstance(value, int) for value in values)


def _length(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, Sized):
        return len(value)
    return abs(value) if isinstance(value, int) else 1
