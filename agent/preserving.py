"""Chat templates that rewrite what was said before: found out by a trial, and mended if possible.

What a template makes of a conversation must begin with what it made of the conversation's
beginnings, or else the model evaluates the same messages again. Some templates drop the reasoning
of earlier turns as soon as the user says something new.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from agent.message import Message, assistant, observed, system, user
from agent.template import Unrenderable, render
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

_MENDED = (
    "its chat template would rewrite earlier messages; a variant that leaves them as they were is "
    "used, so that nothing is evaluated twice"
)
_REWRITES = (
    "its chat template rewrites earlier messages, and no variant is known that does not: what "
    "follows them is evaluated again, which makes long conversations slow"
)

_TOOL: ToolSchema = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}


@dataclass(frozen=True)
class Preserved:
    """A template as it is used."""

    template: str
    note: str = ""
    """What the user should know of it, to be said behind the model's name; mostly empty."""


@lru_cache(maxsize=16)
def preserving(template: str, bos: str | None = None, eos: str | None = None) -> Preserved:
    """The template, or a variant of it that leaves earlier messages as they were.

    The variant keeps reasoning that the model wrote, and says things where they were said first.
    """
    if keeps(template, bos, eos) is not False:
        return Preserved(template)
    variant = template
    for pattern, by in _MENDS:
        variant = re.sub(pattern, by, variant)
    if variant != template and keeps(variant, bos, eos):
        return Preserved(variant, _MENDED)
    return Preserved(template, _REWRITES)


def keeps(template: str, bos: str | None = None, eos: str | None = None) -> bool | None:
    """Whether a template leaves earlier messages as they were; None where it takes no trial.

    Tried with a conversation of two turns with calls and reasoning, and with simpler ones where a
    template refuses that. Does not cover: what a template does with the date.
    """
    for trial in _TRIALS:
        try:
            return _keeps(template, trial, bos, eos)
        except Unrenderable:
            continue
    return None


def _keeps(template: str, trial: Sequence[Message], bos: str | None, eos: str | None) -> bool:
    def text(count: int, prompt: bool) -> str:
        return render(
            template, trial[:count], [_TOOL], add_generation_prompt=prompt, bos=bos, eos=eos
        )

    # Where the model is asked; the beginnings in between are seen by nobody.
    asked = [n for n, message in enumerate(trial) if message["role"] == "assistant"]
    return all(
        text(later, prompt=True).startswith(text(earlier, prompt=False))
        for earlier, later in pairwise(asked)
    )


def _step(number: int, *, thinking: bool) -> list[Message]:
    thought = f"<think>\nNumber {number}.\n</think>\n\n" if thinking else ""
    call = ToolCall(f"abcdefgh{number}", "look", {"at": f"place {number}"})
    said = assistant(f"{thought}I look {number}.", [call])
    return [said, observed(Observation(call.id, call.name, f"seen {number}"))]


def _trial(*, thinking: bool, opening: Sequence[Message]) -> list[Message]:
    ending = "<think>\nEnough.\n</think>\n\nDone." if thinking else "Done."
    turn = [*_step(1, thinking=thinking), *_step(2, thinking=thinking), assistant(ending)]
    again = [user("And now?"), *_step(3, thinking=thinking), assistant(ending)]
    return [*opening, user("Look around."), *turn, *again, user("Thanks."), assistant("Bye.")]


_TRIALS = [
    _trial(thinking=thinking, opening=opening)
    for thinking in (True, False)
    for opening in ([system("Be brief.")], [])
]


_MENDS = (
    # Qwen 3 shows reasoning from the last question on, and makes up an empty one there.
    (r"loop\.index0 > ns\.last_query_index", "false"),
    # It is told from the rest by its end mark.
    (r"'</think>' in (?:message\.)?content\b", "false"),
    (r"\b((?:message\.)?content)\.split\('</think>'\)\[-1\](?:\.lstrip\('\\n'\))?", r"\1"),
    # Hermes 3 ends the last result without the line break that it has later.
    (r"(\{\{- '\n</tool_response>)' \}\}", "\\1\n' }}"),
    # Mistral puts tools and system prompt before the last question.
    (r"\buser_messages\[-1\]", "user_messages[0]"),
    (r"\bloop\.last and system_message\b", "message == user_messages[0] and system_message"),
)
"""Patterns of known templates, and what keeps earlier messages as they were."""
