"""Examples as token ids with a loss mask: the whole conversation, rendered and split once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent.controls import CUT, Controls
from agent.message import Message
from agent.preserving import preserving
from agent.template import Unrenderable, render
from distillation.example import Example
from sandbox.refused import Refused
from tools.schema import ToolSchema

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Span = tuple[int, int]
"""Characters, from and to."""


class RowRefused(Exception):
    """An example cannot be trained on; `str()` is the reason, the same for all of its kind."""


@dataclass(frozen=True)
class Encoded:
    """One row: token ids, and for each whether it is trained."""

    ids: list[int]
    mask: list[bool]

    @property
    def trained(self) -> int:
        """Number of trained tokens."""
        return sum(self.mask)


@dataclass(frozen=True)
class ChatTokenizer:
    """A tokenizer with its chat template, as the model is fed."""

    tokenizer: "Tokenizer"
    template: str
    bos: str | None = None
    eos: str | None = None

    @staticmethod
    def open(folder: Path) -> "ChatTokenizer":
        """Read a Hugging Face folder.

        Raises:
            Refused: it has no tokenizer or no chat template.
        """
        try:
            path = folder / "tokenizer_config.json"
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            text = _backend(folder)
        except (OSError, ValueError) as error:
            raise Refused(f"{folder} has no tokenizer ({error}): use a whole model.") from error
        template = _template(folder, config)
        if template is None:
            raise Refused(f"{folder} has no chat template: use an instruction-tuned model.")
        names = (_text(config.get("bos_token")), _text(config.get("eos_token")))
        return ChatTokenizer.of(text, template, *names)

    @staticmethod
    def of(
        text: str, template: str, bos: str | None = None, eos: str | None = None
    ) -> "ChatTokenizer":
        """From the text of a `tokenizer.json` and a template.

        Unicode normalisation is left out because llama.cpp does none, and so is whatever would
        add tokens or trim spans after splitting: the template says all that the model is fed.
        Of a template that would rewrite earlier messages the variant is used that serving uses.
        """
        from tokenizers import Tokenizer

        content: dict[str, Any] = json.loads(text)
        content["post_processor"] = None
        if (content.get("normalizer") or {}).get("type") == "NFC":
            content["normalizer"] = None
        kept = preserving(template, bos, eos).template
        return ChatTokenizer(Tokenizer.from_str(json.dumps(content)), kept, bos, eos)

    def render(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], *, prompt: bool
    ) -> str:
        """The text of a conversation; `prompt` opens an assistant turn at its end.

        Control tokens that a message only spells have a `CUT` in them, for `split`.

        Raises:
            RowRefused: the template does not take the conversation.
        """
        names = {"bos": self.bos, "eos": self.eos}
        told, offered = self.controls.cut(messages, tools)
        try:
            return render(self.template, told, offered, add_generation_prompt=prompt, **names)
        except Unrenderable as error:
            raise RowRefused(f"the chat template refuses it ({error})") from error

    def split(self, text: str) -> tuple[list[int], list[Span]]:
        """Token ids and the characters of each; a `CUT` is in none of them."""
        ids, spans, at = list[int](), list[Span](), 0
        for piece in text.split(CUT):
            encoding = self.tokenizer.encode(piece, add_special_tokens=False)
            ids += encoding.ids
            spans += [(at + start, at + stop) for start, stop in encoding.offsets]
            at += len(piece) + len(CUT)
        return ids, spans

    @cached_property
    def special(self) -> dict[str, int]:
        """The control tokens: text to id."""
        return {token.content: id for id, token in self._added.items() if token.special}

    @cached_property
    def controls(self) -> Controls:
        """The tokens that messages may only spell."""
        other = [token.content for token in self._added.values() if not token.special]
        return Controls(self.special, other, self.template)

    @cached_property
    def _added(self) -> dict[int, Any]:
        return cast("dict[int, Any]", self.tokenizer.get_added_tokens_decoder())


def encode(example: Example, chat: ChatTokenizer, max_length: int = 0) -> Encoded:
    """Ids and mask of an example; `max_length` in tokens, 0 for any.

    What is trained is what the model writes: the text of trained assistant turns from behind
    the turn's opening to the stop token, stop token included.

    Raises:
        RowRefused: too long, or the mask cannot be exact.
    """
    text, regions = trained_text(example, chat)
    ids, spans = chat.split(text)
    if max_length and len(ids) > max_length:
        raise RowRefused(f"longer than {max_length} tokens")
    mask = _mask(spans, regions, len(text))
    if not any(mask):
        raise RowRefused("no trained turn")
    ends = {stop: ids[i] for i, (_, stop) in enumerate(spans) if mask[i]}
    if not all(ends.get(stop) in chat.special.values() for _, stop in regions):
        raise RowRefused("a trained turn does not end with a stop token")
    return Encoded(ids, mask)


def trained_text(example: Example, chat: ChatTokenizer) -> tuple[str, list[Span]]:
    """The whole conversation's text, and the stretches of it that are trained.

    Raises:
        RowRefused: the text of a beginning is not the beginning of the text.
    """
    messages, tools = example.messages, example.tools
    whole = chat.render(messages, tools, prompt=False)
    regions: list[Span] = []
    for i, trained in enumerate(example.trained):
        if not trained:
            continue
        before = chat.render(messages[:i], tools, prompt=True)
        after = chat.render(messages[: i + 1], tools, prompt=False)
        if not (after.startswith(before) and whole.startswith(after)):
            raise RowRefused("the chat template rewrites earlier turns")
        regions.append((len(before), len(before) + _written(after[len(before) :], chat)))
    return whole, regions


def _written(turn: str, chat: ChatTokenizer) -> int:
    """How much of a turn's text the model writes: all up to the stop token, characters.

    Raises:
        RowRefused: the turn does not end with a control token and maybe white space.
    """
    body = turn.rstrip()
    if not any(body.endswith(special) for special in chat.special):
        raise RowRefused("a trained turn does not end with a stop token")
    return len(body)


def _mask(spans: Sequence[Span], regions: Sequence[Span], length: int) -> list[bool]:
    """Whether each token lies in a region of a text of `length` characters.

    Raises:
        RowRefused: a token lies on the border of one.
    """
    inside = bytearray(length)
    for start, stop in regions:
        inside[start:stop] = b"\1" * (stop - start)
    mask: list[bool] = []
    for start, stop in spans:
        count = inside.count(1, start, stop)
        if 0 < count < stop - start:
            raise RowRefused("a token lies across the border of a trained turn")
        mask.append(count > 0)
    return mask


def _backend(folder: Path) -> str:
    """The text of the folder's `tokenizer.json`, made from older files where there is none."""
    path = folder / "tokenizer.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    import transformers

    load = cast("Any", transformers.AutoTokenizer.from_pretrained)
    return load(folder).backend_tokenizer.to_str()


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {entry["name"]: entry["template"] for entry in cast("list[dict[str, str]]", found)}
        return named.get("tool_use") or named.get("default")
    return cast("str | None", found)


def _text(token: object) -> str | None:
    """A special token's text; older files wrap it in an object."""
    if isinstance(token, dict):
        return cast("dict[str, str]", token).get("content")
    return token if isinstance(token, str) else None
