"""What is told of steps that were left out: deterministic, and made without a model."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from agent.message import Message, blind, calls
from tools.call import ToolCall

_HEAD = "[To make room, {} earlier messages were left out here. What happened in them:]"
_TAIL = "[Files may have changed since. Look again at what you need.]"

_READ = {"read_file", "symbols", "docs"}
_CHANGED = {"write_file", "edit_file", "edit_files"}
_RAN = {"shell": "command", "start_job": "command", "run_python": "code", "run_tests": "path"}
_OPEN = ("[>]", "[ ]")
"""What the lines of a plan begin with whose steps are not done."""
_RULES = "AGENTS.md"

_MOST = 30
"""Lines of one kind; of more the last ones are told."""
_LINE = 200
"""Characters of a line."""
_WHOLE = 4_000
"""Characters of what is told word for word: the last request, the plan, the rules."""

_PICTURE = 5_000
"""Characters that cost what a picture does, about 1,500 tokens."""

Exchange = tuple[ToolCall, str]
"""A call and the text of its result."""


def digest(messages: Sequence[Message]) -> str:
    """Tell what happened in messages: requests, files, commands with how they ended, the plan.

    Bounded, whatever the messages hold. Does not cover: what was found out, unless it was said.
    """
    done = list(exchanges(messages))
    asked = [blind(message)["content"] for message in messages if message["role"] == "user"]
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    parts = [
        _HEAD.format(len(messages)),
        _section("The user asked", [_line(text) for text in asked[:-1]]),
        _quoted("The user's last request there", asked[-1] if asked else ""),
        _section("You said", [_line(text.rpartition("</think>")[2]) for text in said][-10:]),
        _section("Files read", _paths(done, _READ)),
        _section("Files changed", _paths(done, _CHANGED)),
        _section("Commands run", [_command(*exchange) for exchange in done if _ran(exchange)]),
        _section("Other calls", _others(done)),
        _quoted("The open plan", _plan(done)),
        *(_quoted(f"{path} says", text) for path, text in _rules(done).items()),
        _TAIL,
    ]
    return "\n".join(part for part in parts if part)


def exchanges(messages: Sequence[Message]) -> Iterator[Exchange]:
    """Every call with its result; one without a result has an empty text."""
    for at, message in enumerate(messages):
        made = calls(message)
        # By place and not by id, since models give two calls the same id.
        results = _results(messages[at + 1 :], len(made)) if made else []
        yield from zip(made, [*results, *[""] * (len(made) - len(results))], strict=True)


def _results(messages: Sequence[Message], most: int) -> list[str]:
    texts: list[str] = []
    for message in messages:
        if message["role"] == "assistant" or len(texts) == most:
            break
        if message["role"] == "tool":
            texts.append(message["content"])
    return texts


def _paths(done: Sequence[Exchange], names: set[str]) -> list[str]:
    found = [path for call, _ in done if call.name in names for path in _named(call)]
    # Each once, the latest last.
    return [_line(path) for path in reversed(dict.fromkeys(reversed(found)))]


def _named(call: ToolCall) -> list[str]:
    edits = call.arguments.get("edits")
    parts = edits if isinstance(edits, list) else [call.arguments]
    found = (part.get("path") for part in parts if isinstance(part, dict))
    return [path for path in found if isinstance(path, str) and path]


def _ran(exchange: Exchange) -> bool:
    return exchange[0].name in _RAN


def _command(call: ToolCall, result: str) -> str:
    given = call.arguments.get(_RAN[call.name])
    command = given if call.name == "shell" else f"{call.name} {given or ''}"
    last = result.rstrip().rpartition("\n")[2]
    # The last line of what runs something tells how it ended.
    return f"{_line(str(command))} {_line(last) if last.startswith('[') else ''}".rstrip()


def _others(done: Sequence[Exchange]) -> list[str]:
    known = {*_READ, *_CHANGED, *_RAN, "plan"}
    counts = Counter(_line(call.name) for call, _ in done if call.name not in known)
    return [f"{name} ({count})" for name, count in sorted(counts.items())]


def _plan(done: Sequence[Exchange]) -> str:
    """The last plan, as long as a step of it is open."""
    plans = [text for call, text in done if call.name == "plan" and text.startswith("[")]
    is_open = bool(plans) and any(line.startswith(_OPEN) for line in plans[-1].splitlines())
    return plans[-1] if is_open else ""


def _rules(done: Sequence[Exchange]) -> dict[str, str]:
    """What was last read of each file of rules for agents."""
    return {
        _line(path): text
        for call, text in done
        if call.name == "read_file"
        for path in _named(call)
        if path.rpartition("/")[2] == _RULES
    }


def _section(title: str, lines: Iterable[str]) -> str:
    told = [line for line in lines if line]
    if not told:
        return ""
    left_out = len(told) - _MOST
    before = [f"- … and {left_out} before"] if left_out > 0 else []
    return "\n".join([f"{title}:", *before, *(f"- {line}" for line in told[-_MOST:])])


def _quoted(title: str, text: str) -> str:
    cut = text if len(text) <= _WHOLE else text[:_WHOLE] + " …"
    return f"{title}:\n{cut}" if text.strip() else ""


def _line(text: str) -> str:
    """A text as one short line."""
    line = " ".join(text.split())
    return line if len(line) <= _LINE else line[: _LINE - 2] + " …"


def size(message: Message) -> int:
    """Characters of a message that a model reads; a picture counts as what it costs."""
    made = message.get("tool_calls")
    called = len(json.dumps(made, ensure_ascii=False)) if made else 0
    return len(message["content"]) + called + _PICTURE * len(message.get("images", []))
