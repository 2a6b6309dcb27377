"""The vocabulary of a model in llama.cpp: text to tokens and back, and what tokens stand for."""

import ctypes
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from agent.controls import CUT
from agent.models.llama_spelling import Spelling


class Vocabulary:
    """The tokens of one model; of no use once the model is freed."""

    def __init__(self, api: Any, pointer: Any) -> None:  # noqa: ANN401 - the bindings are untyped
        """`pointer` as `llama_model_get_vocab` gives it."""
        self.api: Any = api
        self.pointer = pointer
        """For llama.cpp's own functions."""
        self.bos = self._named(api.llama_vocab_bos(pointer))
        self.eos = self._named(api.llama_vocab_eos(pointer))

    def __len__(self) -> int:
        """The number of tokens."""
        return self.api.llama_vocab_n_tokens(self.pointer)

    @cached_property
    def end(self) -> int:
        """A token that ends a turn; -1 where there is none."""
        named = (self.api.llama_vocab_eos(self.pointer), self.api.llama_vocab_eot(self.pointer))
        return next((token for token in (*named, *range(len(self))) if self.ends(token)), -1)

    @cached_property
    def spelling(self) -> Spelling:
        """Tables over the vocabulary; made when they are first asked for."""
        return Spelling([self.piece(token) for token in range(len(self))])

    def marks(self) -> tuple[list[str], list[str]]:
        """The texts of the control tokens, and of those that only are not split."""
        api, special, other = self.api, list[str](), list[str]()
        never = api.LLAMA_TOKEN_ATTR_CONTROL | api.LLAMA_TOKEN_ATTR_UNKNOWN
        for token in range(len(self)):
            kind = api.llama_vocab_get_attr(self.pointer, token)
            if kind & (never | api.LLAMA_TOKEN_ATTR_USER_DEFINED):
                text = api.llama_vocab_get_text(self.pointer, token).decode(errors="replace")
                (special if kind & never else other).append(text)
        return special, other

    def tokens(self, text: str, start: bool = True) -> list[int]:
        """Text as tokens, control tokens recognised but not across a `CUT`.

        A BOS only where the vocabulary asks, and only at the start of a conversation.
        """
        first, *others = text.split(CUT)
        more = [token for other in others for token in self._uncut(other, False)]
        return self._uncut(first, start) + more

    def _uncut(self, text: str, start: bool) -> list[int]:
        data = text.encode()
        room = len(data) + 2
        buffer = (self.api.llama_token * room)()
        asks = self.api.llama_vocab_get_add_bos(self.pointer)
        bos = bool(start and asks and self.bos and not text.startswith(self.bos))
        count = self.api.llama_tokenize(self.pointer, data, len(data), buffer, room, bos, True)
        return buffer[:count]

    def piece(self, token: int) -> bytes:
        """The bytes of a token; not always whole characters."""
        buffer = ctypes.create_string_buffer(64)
        size = self.api.llama_token_to_piece(self.pointer, token, buffer, 64, 0, True)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = self.api.llama_token_to_piece(self.pointer, token, buffer, -size, 0, True)
        return buffer.raw[:size]

    def text(self, tokens: Sequence[int]) -> str:
        """Tokens as text; half characters at its ends are replaced."""
        return b"".join(self.piece(token) for token in tokens).decode(errors="replace")

    def ends(self, token: int) -> bool:
        """Whether a token ends a turn."""
        return token >= 0 and self.api.llama_vocab_is_eog(self.pointer, token)

    def _named(self, token: int) -> str | None:
        return self.piece(token).decode(errors="replace") if token >= 0 else None
