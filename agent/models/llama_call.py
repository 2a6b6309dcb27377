"""One tool call that is being written, held to a grammar.

llama.cpp's grammars are used token by token and never by themselves: accepting a token that does
not fit would end the process, and its own triggers cannot be stopped from doing so.
"""

import codecs
import ctypes
from collections.abc import Iterator
from typing import Any

from agent.grammar import Grammar
from agent.models.llama_runtime import LlamaRuntime

_LIKELIEST = 1024
"""Tokens that are tried before all of them are."""


class Call:
    """The part of an answer from a call's beginning to its end. Close it after use."""

    def __init__(self, runtime: LlamaRuntime, grammar: Grammar, mark: str) -> None:
        """Begin behind a mark of `agent.formats.OPENERS`.

        Raises:
            RuntimeError: llama.cpp refuses the grammar, which is a mistake in it.
        """
        self._runtime = runtime
        self._api = api = runtime.api
        root = grammar.roots[mark].encode()
        text = grammar.text.encode(errors="replace")
        self._sampler = api.llama_sampler_init_grammar(runtime.vocabulary.pointer, text, root)
        if not self._sampler:
            raise RuntimeError(f"llama.cpp refuses the grammar of tool calls:\n{grammar.text}")
        # llama.cpp does not look inside a token; so what it lets through need not be UTF-8.
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._end = runtime.vocabulary.end
        self._one = (api.llama_token_data * 1)()
        self._array = api.llama_token_data_array(self._one, 1, -1, False)

    def close(self) -> None:
        """Free the grammar."""
        self._api.llama_sampler_free(self._sampler)

    @property
    def complete(self) -> bool:
        """Whether the call is whole and nothing more belongs to it."""
        return self._allowed(self._end)

    def judge(self, token: int, chain: Any) -> int:  # noqa: ANN401 - a C pointer
        """The token that is written: the chosen one if it fits, else another by the same sampler.

        Where nothing fits or the call is complete it is a token that ends the turn.
        """
        if self.complete:
            return self._end
        if not self._fits(token):
            token = next(self._others(chain), self._end)
        if token != self._end:
            self._accept(token)
        return token

    def read(self, text: str) -> str | None:
        """Take what was written already; what is behind the call's end, or None if it does not fit.

        Where it does not fit the call is of no use any more.
        """
        singles = self._runtime.vocabulary.spelling.singles
        for at, byte in enumerate(data := text.encode()):
            if self.complete:
                return data[at:].decode()
            if byte not in singles or not self._fits(singles[byte]):
                return None
            self._accept(singles[byte])
        return ""

    def _allowed(self, token: int) -> bool:
        self._one[0].id, self._one[0].logit = token, 0.0
        self._array.size, self._array.selected = 1, -1
        self._api.llama_sampler_apply(self._sampler, ctypes.byref(self._array))
        return self._one[0].logit == 0.0

    def _fits(self, token: int) -> bool:
        if not self._allowed(token):
            return False
        state = self._decoder.getstate()
        try:
            self._decoder.decode(self._runtime.vocabulary.piece(token))
        except UnicodeDecodeError:
            return False
        finally:
            self._decoder.setstate(state)
        return True

    def _accept(self, token: int) -> None:
        self._decoder.decode(self._runtime.vocabulary.piece(token))
        self._api.llama_sampler_accept(self._sampler, token)

    def _others(self, chain: Any) -> Iterator[int]:  # noqa: ANN401 - a C pointer
        """Tokens that fit, as the sampler chooses them."""
        import numpy

        logits = self._runtime.logits()
        count = min(_LIKELIEST, len(logits))
        likeliest = numpy.argpartition(logits, -count)[-count:]
        for tokens in (lambda: likeliest, self._begun):
            left = self._left(tokens(), logits)
            while len(left):
                token = self._sampled(left, chain)
                if self._fits(token):
                    yield token
                left = left[left["id"] != token]

    def _begun(self) -> Any:  # noqa: ANN401 - numpy is imported late
        """The tokens whose first byte fits: most of the vocabulary need not be looked at."""
        spelling = self._runtime.vocabulary.spelling
        return spelling.besides(
            [byte for byte, token in spelling.singles.items() if not self._allowed(token)]
        )

    def _left(self, tokens: Any, logits: Any) -> Any:  # noqa: ANN401 - numpy is imported late
        """Those of the tokens that the grammar allows, as llama.cpp wants them."""
        import numpy

        array = numpy.empty(len(tokens), [("id", "i4"), ("logit", "f4"), ("p", "f4")])
        array["id"], array["logit"], array["p"] = tokens, logits[tokens], 0.0
        self._api.llama_sampler_apply(self._sampler, ctypes.byref(self._lent(array)))
        return array[array["logit"] > -numpy.inf]

    def _sampled(self, left: Any, chain: Any) -> int:  # noqa: ANN401 - numpy is imported late
        # Samplers sort and cut the array that they are given.
        array = left.copy()
        lent = self._lent(array)
        self._api.llama_sampler_apply(chain, ctypes.byref(lent))
        return lent.data[lent.selected].id

    def _lent(self, array: Any) -> Any:  # noqa: ANN401 - C and numpy
        """An array for llama.cpp; it does not keep the memory alive."""
        data = array.ctypes.data_as(ctypes.POINTER(self._api.llama_token_data))
        return self._api.llama_token_data_array(data, len(array), -1, False)
