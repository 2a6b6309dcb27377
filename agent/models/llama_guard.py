"""Holds the tool calls of an answer to their grammar, and leaves its text free."""

import codecs
from collections.abc import Sequence

from agent.formats import Format, begun, opening
from agent.grammar import grammar
from agent.models.llama_call import Call
from agent.models.llama_runtime import LlamaRuntime
from agent.models.llama_sampler import Judge
from agent.thoughts import CLOSE, OPEN
from tools.schema import ToolSchema


class Guard:
    """Follows one answer, token by token. Close it after use.

    In some formats it is seen late that an object is a call. What does not fit the grammar by
    then is taken back: `tokens` are then others than the model has in its memory.
    """

    def __init__(self, runtime: LlamaRuntime, form: Format, tools: Sequence[ToolSchema]) -> None:
        self._runtime = runtime
        self._form: Format = form
        self._grammar = grammar(tools, form) if tools else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._call: Call | None = None
        self._text, self._given, self._bare = "", 0, True
        self._thinking = True
        """What was written up to now is thought, or may become that."""
        self.inside = False
        """Whether the prompt has opened the thoughts already."""
        self._pieces: list[str] = []
        self.tokens: list[int] = []
        """Of the answer."""
        self.rewound = False
        """Whether the last token, and maybe some before it, was replaced."""

    def close(self) -> None:
        """Free the grammar."""
        if self._call:
            self._call.close()
            self._call = None

    @property
    def judge(self) -> Judge | None:
        """What has the last word on the next token."""
        return self._call.judge if self._call else None

    def take(self, token: int) -> str:
        """Follow a token of the answer; the text that is settled now."""
        piece = self._decoder.decode(self._runtime.vocabulary.piece(token))
        self.tokens.append(token)
        self._pieces.append(piece)
        self._text += piece
        self.rewound = False
        if not self._grammar:
            return self._settled(len(self._text))
        if self._call:
            settled = self._settled(len(self._text))
            self._end()
            return settled
        return self._thought() if self._thinking else self._free()

    def rest(self) -> str:
        """The text that was not settled, at the end of the answer."""
        return self._settled(len(self._text)) + self._decoder.decode(b"", final=True)

    def _thought(self) -> str:
        """A call that is only thought of is none."""
        begun = self._text.lstrip()
        if not (self.inside or begun.startswith(OPEN[: len(begun)])):
            self._thinking = False
            return self._free()
        end = self._text.find(CLOSE)
        if end < 0:
            return self._settled(len(self._text))
        self._thinking = False
        settled = self._settled(end + len(CLOSE))
        self._text, self._given = self._text[self._given :], 0
        return settled + self._free()

    def _free(self) -> str:
        """Look for the beginning of a call, and of those behind it, in the text."""
        settled = ""
        while (
            self._grammar
            and not self._call
            and (found := begun(self._text, self._form, bare=self._bare))
        ):
            mark, body = found
            self._call = Call(self._runtime, self._grammar, mark)
            behind = self._call.read(self._text[body:])
            if behind is None or (behind and self._final) or self._decoder.getstate()[0]:
                self.close()
                self._rewind(len(self._text) - body)
                self._call = Call(self._runtime, self._grammar, mark)
                behind = ""
            settled += self._settled(len(self._text) - len(behind))
            self._end()
        if self._call:
            return settled
        start = opening(self._text, self._form, 0, bare=self._bare)
        return settled + self._settled(len(self._text) if start is None else start)

    @property
    def _final(self) -> bool:
        # Its readers take the rest of the answer for a second call, and its templates know one.
        return self._form == "llama3"

    def _end(self) -> None:
        """Go back to free text if the call is complete."""
        if self._call and self._call.complete and not self._final:
            self.close()
            self._text, self._given, self._bare = self._text[self._given :], 0, False

    def _rewind(self, characters: int) -> None:
        """Take back the last characters of the answer, and at least the last token as it was."""
        self._text = self._text[: len(self._text) - characters]
        self._decoder.reset()
        kept = ""
        while self.tokens:
            self.tokens.pop()
            piece = self._pieces.pop()
            if len(piece) >= characters:
                kept = piece[: len(piece) - characters]
                break
            characters -= len(piece)
        # What is left of a character that went.
        while self._pieces and not self._pieces[-1]:
            self.tokens.pop()
            self._pieces.pop()
        again = self._runtime.vocabulary.tokens(kept, start=False) if kept else []
        self.tokens += again
        self._pieces += [*[""] * (len(again) - 1), kept] if again else []
        self.rewound = True

    def _settled(self, upto: int) -> str:
        settled = self._text[self._given : upto]
        self._given = max(upto, self._given)
        return settled
