"""Chat templates: the one renderer, for serving the student and for training it.

The output is byte for byte what transformers' `apply_chat_template(tokenize=False)` gives, so that
what the student is fed is what it was trained on.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import ClassVar, cast

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.utils import Namespace

from agent.bounded import LEAST, LONGEST, SHARE, BoundedEnvironment, allow
from agent.controls import CUT
from agent.message import Message, blind
from tools.call import JSON
from tools.schema import ToolSchema

_ESCAPED_CUT = re.compile(rf"(?<!\\)((?:\\\\)*)\\u{ord(CUT):x}")


class Unrenderable(Exception):
    """A template cannot render a conversation; `str()` is the template's reason."""


def render(
    template: str,
    messages: Sequence[Message],
    tools: Sequence[ToolSchema] = (),
    *,
    add_generation_prompt: bool,
    bos: str | None = None,
    eos: str | None = None,
) -> str:
    """The text of a conversation.

    Args:
        template: a Jinja chat template, as a GGUF or a tokenizer carries it. It is untrusted: it
            runs in Jinja's sandbox and sees plain data only.
        messages: the conversation; the `provider` field is kept from the template.
        tools: the tools that are offered; none at all is `tools = none` to the template.
        add_generation_prompt: whether the text ends with the opening of an assistant turn.
        bos: the text of the tokenizer's beginning-of-sequence token, if it has one.
        eos: the text of its end-of-sequence token, if it has one.

    Raises:
        Unrenderable: the template is broken or refuses this conversation.
    """
    tokens = {"bos_token": bos, "eos_token": eos}
    try:
        made = compiled(template)
        allow(LEAST + SHARE * (len(str(messages)) + len(str(tools))))
        return made.render(
            messages=[{k: v for k, v in blind(m).items() if k != "provider"} for m in messages],
            tools=list(tools) or None,
            documents=None,
            add_generation_prompt=add_generation_prompt,
            **{name: text for name, text in tokens.items() if text is not None},
        )
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise Unrenderable(f"{error}" or type(error).__name__) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unrenderable(f"{error}") from error


@lru_cache(maxsize=16)
def compiled(template: str) -> Template:
    """The template, ready to render; the same text is compiled once.

    Raises:
        TemplateError: it is broken, or too long.
    """
    if len(template) > LONGEST:
        raise TemplateError(f"the template has {len(template)} characters, of {LONGEST} at most")
    # Jinja computes some of it now.
    allow(LEAST)
    environment = BoundedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.bound_filters()
    names = cast("dict[str, object]", environment.globals)
    names.update(
        raise_exception=_raise, strftime_now=_strftime_now, dict=_dict, namespace=_namespace
    )
    return environment.from_string(template)


class _Generation(Extension):
    """`{% generation %}`, which marks assistant text for training, renders what it holds."""

    tags: ClassVar[set[str]] = {"generation"}  # pyright: ignore[reportIncompatibleVariableOverride]

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # A call block, not the bare body: it is a scope, and templates rely on it being one.
        return nodes.CallBlock(self.call_method("_held"), [], [], body).set_lineno(line)

    def _held(self, caller: Callable[[], str]) -> str:
        return caller()


class _PlainNamespace(Namespace):
    """Jinja's namespace without underscored attributes, which could lead out of the sandbox."""

    def __setitem__(self, name: str, value: object) -> None:
        if name.startswith("_"):
            raise SecurityError(f"A template may not store {name!r} in a namespace.")
        super().__setitem__(name, value)


def _namespace(*pairs: Mapping[str, object], **named: object) -> Namespace:
    space = _PlainNamespace()
    for name, value in dict(*pairs, **named).items():
        space[name] = value
    return space


def _dict(*pairs: Mapping[str, object], **named: object) -> dict[str, object]:
    # A function: the class itself would hand its attributes to the template.
    return dict(*pairs, **named)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _raise(message: str) -> str:
    raise TemplateError(message)


def _tojson(
    value: JSON,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without the HTML escaping of Jinja's own filter."""
    text = json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
    # Where nothing but ASCII is wanted, a cut is still no text.
    return _ESCAPED_CUT.sub(rf"\1{CUT}", text) if ensure_ascii else text
