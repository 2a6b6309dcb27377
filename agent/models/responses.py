"""OpenAI's own models, through the Responses API, of which nothing is stored at OpenAI."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from agent.message import Message
from agent.models.encoded import History, body
from agent.models.openai import Answer, OpenAIModel, Wire
from agent.models.responses_answer import ResponsesAnswer
from agent.models.responses_request import cache_key, request
from agent.models.settings import Endpoint, ModelSettings
from tools.schema import ToolSchema

if TYPE_CHECKING:
    from openai import AsyncStream, BadRequestError

_FEWEST_TOKENS = 16
"""The API refuses a smaller limit."""


class ResponsesModel(OpenAIModel):
    """A model behind the Responses API. Serves any number of conversations at a time."""

    path = "/responses"

    def __init__(self, name: str, endpoint: Endpoint, key: str, settings: ModelSettings) -> None:
        """`name` is `provider:model`; `key` is the API key itself."""
        super().__init__(name, endpoint, key, settings)
        self._without: set[str] = set()
        """What the API would not do for this model or this account."""
        self._histories = {
            carried: History(partial(_items, thinker=self._model if carried else ""))
            for carried in (True, False)
        }

    def _body(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> bytes:
        without, reasons = self._without, "reasoning" not in self._without
        history = self._histories[reasons and "carried" not in without](messages)
        rest = request([], tools, "") | {
            "model": self._model,
            "max_output_tokens": max(_FEWEST_TOKENS, self._longest(len(history))),
            "prompt_cache_key": cache_key(messages),
            "store": False,
            "stream": "stream" not in without,
        }
        if reasons:
            rest["include"] = ["reasoning.encrypted_content"]
            rest["reasoning"] = self._reasoning()
        if self._settings.temperature is not None:
            rest["temperature"] = self._settings.temperature
        return body({name: value for name, value in rest.items() if value != {}}, input=history)

    def _reasoning(self) -> Wire:
        effort = self._settings.effort
        return ({"effort": effort} if effort else {}) | (
            {} if "summary" in self._without else {"summary": "auto"}
        )

    def _answer(self, messages: Sequence[Message]) -> Answer:
        return ResponsesAnswer(self._model)

    async def _begin(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> "tuple[AsyncStream[object], int]":
        from openai import BadRequestError

        while True:
            try:
                return await super()._begin(messages, tools)
            except BadRequestError as error:
                refused = _refused(error)
                asked = refused == "reasoning" and self._settings.effort
                if not refused or refused in self._without or asked:
                    raise
                self._without.add(refused)


def _items(message: Message, thinker: str) -> list[Wire]:
    items: list[Wire] = request([message], [], thinker)["input"]
    return items


def _refused(error: "BadRequestError") -> str:
    """Which wish of ours a model without reasoning or an unverified account is refused, if any."""
    wish = error.param or ""
    if error.code == "invalid_encrypted_content":
        # The reasoning is of another account, or too old.
        return "carried"
    if wish in ("reasoning.summary", "stream"):
        return wish.rpartition(".")[2]
    return "reasoning" if wish.partition(".")[0] in ("reasoning", "include") else ""
