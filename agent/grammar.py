"""Grammars (llama.cpp's GBNF) that hold a tool call to the schemas of the tools.

What a grammar lets through reads back, in its format, as a call of one of the tools: required
arguments, no others than declared, their types, enums, nested objects, arrays and `$defs`.
llama-cpp-python's own `json_schema_to_gbnf` lets through what no reader takes (half surrogate
pairs, infinite numbers, endless nesting), stops at schemas that it does not know, and knows JSON
only. Does not cover: `pattern`, `format`, bounds of numbers, `uniqueItems`; the tool itself
refuses what breaks these.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.formats import Format
from agent.schema_rules import Rules
from agent.text_rules import texts
from tools.call import JSON
from tools.schema import FunctionSchema, ToolSchema


@dataclass(frozen=True)
class Grammar:
    """Rules, and where to begin."""

    text: str
    """GBNF."""
    roots: Mapping[str, str]
    """The rule for what follows a mark of `agent.formats.OPENERS`; of "" for a bare object."""


def grammar(tools: Sequence[ToolSchema], form: Format) -> Grammar:
    """The grammar of the calls of some tools; for the same tools it is made once."""
    return _made(json.dumps([tool["function"] for tool in tools]), form)


@lru_cache(maxsize=16)
def _made(tools: str, form: Format) -> Grammar:
    functions: list[FunctionSchema] = json.loads(tools)
    rules = Rules()
    roots = _ROOTS[form](rules, functions)
    named = {f"root-{number}": rule for number, rule in enumerate(dict.fromkeys(roots.values()))}
    names = {rule: name for name, rule in named.items()}
    lines = [f"{name} ::= {rule}" for name, rule in named.items()]
    return Grammar(
        "\n".join([*lines, *rules.lines()]) + "\n",
        {mark: names[rule] for mark, rule in roots.items()},
    )


def _hermes(rules: Rules, tools: Sequence[FunctionSchema]) -> dict[str, str]:
    return {"<tool_call>": f'ws {_call(rules, tools, "arguments")} ws "</tool_call>"'}


def _llama3(rules: Rules, tools: Sequence[FunctionSchema]) -> dict[str, str]:
    call = _call(rules, tools, "parameters")
    return {"<|python_tag|>": f"ws {call}", "": call}


def _fenced(rules: Rules, tools: Sequence[FunctionSchema]) -> dict[str, str]:
    root = rf'"\n" ws {_call(rules, tools, "arguments")} "\n```"'
    return {"```json": root, "```tool_call": root}


def _mistral(rules: Rules, tools: Sequence[FunctionSchema]) -> dict[str, str]:
    call = _call(rules, tools, "arguments", end=r'("," ws "\"id\":" ws "\"" id "\"")? ws "}"')
    listed = rules.add(f'"[" ws {call} ("," ws {call})* ws "]"')
    # The newer form takes the name without quotes, so not every name can be written in it.
    named = [
        f'{rules.literal(tool["name"])} ("[CALL_ID]" id)? "[ARGS]"? " "? {_arguments(rules, tool)}'
        for tool in tools
        if re.fullmatch(r"[\w.-]+", tool["name"])
    ]
    return {"[TOOL_CALLS]": f'" "? {rules.add(" | ".join([listed, *named]))}'}


def _xml(rules: Rules, tools: Sequence[FunctionSchema]) -> dict[str, str]:
    functions = [
        f"{rules.literal(tool['name'] + '>')} {texts(rules, tool['parameters'])}" for tool in tools
    ]
    function = rules.add(f'({" | ".join(map(rules.add, functions))}) ws "</function>"')
    return {
        "<tool_call>": f'ws "<function=" {function} ws "</tool_call>"',
        "<function=": function,
    }


def _call(rules: Rules, tools: Sequence[FunctionSchema], key: str, end: str = 'ws "}"') -> str:
    """A call as an object with a name and, under `key`, the arguments."""
    between = rules.literal(f'"{key}":')
    bodies = [
        f"{rules.literal(json.dumps(tool['name'], ensure_ascii=False) + ',')} ws {between} ws "
        f"{_arguments(rules, tool)}"
        for tool in tools
    ]
    one = rules.add(" | ".join(map(rules.add, bodies)))
    return rules.add(rf'"{{" ws "\"name\":" ws {one} {end}')


def _arguments(rules: Rules, tool: FunctionSchema) -> str:
    """The rule for the arguments of a tool; anything where its schema allows nothing at all."""
    schema: dict[str, JSON] = {"type": "object", **tool["parameters"]}
    return rules.value(schema, schema) or rules.value({"type": "object"}, {}) or ""


_ROOTS: Mapping[Format, Callable[[Rules, Sequence[FunctionSchema]], dict[str, str]]] = {
    "hermes": _hermes,
    "xml": _xml,
    "mistral": _mistral,
    "llama3": _llama3,
    "fenced": _fenced,
}
