"""Control tokens that are only spelled: a file must not speak with the voice of a chat template.

Templates say who speaks with tokens such as `<|im_end|>`. Where a file, a page or a user writes
the letters of one, they are letters: `CUT` keeps them apart, and whoever splits the text into
tokens does not look across it. The student is trained on the same cuts as it is fed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from agent.message import Message
from tools.call import JSON
from tools.schema import ToolSchema

CUT = "\udfff"
"""Half a character, which no recorded text holds; it is never part of what a model is fed."""
_LOOKS = re.compile(r"<[|\uff5c].*[|\uff5c]>")
"""What converters of models take for a control token, whatever its own tokenizer says."""
_MARK = re.compile(r"[<\[].*\w.*[>\]]")
"""A token with a meaning; others that are not split are runs of spaces, or words."""


class Controls:
    """The tokens of one vocabulary that text may only spell.

    Does not cover a template that writes the first letters of a control token before a text and
    the last ones behind it; no known one does.
    """

    def __init__(self, special: Iterable[str], other: Iterable[str], template: str) -> None:
        """Take the tokens that are no ordinary pieces of text.

        Args:
            special: control tokens, which never are text.
            other: tokens of which the model's makers say only that they are not split. Those
                that the template writes (`<tool_call>`) have a meaning to it, too.
            template: the chat template.
        """
        others = set(other)
        never = {*special, *filter(_LOOKS.fullmatch, others)}
        marks = {token for token in others if token in template and _MARK.fullmatch(token)}
        self._strict = _Cutter(never | marks)
        # A model's own answer is read as it was written, marks of reasoning and of calls included.
        self._own = _Cutter(never)

    def cut(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> tuple[list[Message], list[ToolSchema]]:
        """Messages and tools as a template may see them, every spelled control token cut."""
        cutters = {"assistant": self._own}
        kept = [{k: v for k, v in m.items() if k != "provider"} for m in messages]
        told = [cutters.get(str(m["role"]), self._strict).value(cast("JSON", m)) for m in kept]
        offered = [self._strict.value(cast("JSON", tool)) for tool in tools]
        return cast("list[Message]", told), cast("list[ToolSchema]", offered)


class _Cutter:
    """Cuts each of some tokens behind its first letter."""

    def __init__(self, tokens: Iterable[str]) -> None:
        # A token of a single letter cannot be told from the letter.
        self._tokens = frozenset(token for token in tokens if len(token) > 1)
        self._lengths = sorted({len(token) for token in self._tokens})
        firsts = "".join(sorted({token[0] for token in self._tokens}))
        self._first = re.compile(f"[{re.escape(firsts)}]" if firsts else r"(?!)")

    def value(self, value: JSON) -> JSON:
        """A value with all its texts cut, names of fields included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list) else value

    def text(self, text: str) -> str:
        """A text, cut wherever a token is spelled in it, also where two of them overlap."""
        return self._first.sub(self._behind, text.replace(CUT, "\ufffd"))

    def _behind(self, first: re.Match[str]) -> str:
        text, start = first.string, first.start()
        spelled = any(text[start : start + length] in self._tokens for length in self._lengths)
        return first[0] + CUT if spelled else first[0]
