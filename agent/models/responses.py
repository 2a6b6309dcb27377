"""OpenAI's own models, through the Responses API, of which nothing is stored at OpenAI."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.message import Message
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

    def _body(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Wire:
        reasons, without = "reasoning" not in self._without, self._without
        body = request(
            messages, tools, self._model if reasons and "carried" not in without else ""
        ) | {
            "model": self._model,
            "max_output_tokens": max(_FEWEST_TOKENS, self._settings.max_tokens),
            "prompt_cache_key": cache_key(messages),
            "store": False,
            "stream": "stream" not in without,
        }
        if reasons:
            body["include"] = ["reasoning.encrypted_content"]
        if reasons and "summary" not in without:
            body["reasoning"] = {"summary": "auto"}
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature
        return body

    def _answer(self, messages: Sequence[Message]) -> Answer:
        return ResponsesAnswer(self._model)

    async def _post(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> "AsyncStream[object]":
        from openai import BadRequestError

        while True:
            try:
                return await super()._post(messages, tools)
            except BadRequestError as error:
                refused = _refused(error)
                if not refused or refused in self._without:
                    raise
                self._without.add(refused)


def _refused(error: "BadRequestError") -> str:
    """Which wish of ours a model without reasoning or an unverified account is refused, if any."""
    wish = error.param or ""
    if error.code == "invalid_encrypted_content":
        # The reasoning is of another account, or too old.
        return "carried"
    if wish in ("reasoning.summary", "stream"):
        return wish.rpartition(".")[2]
    return "reasoning" if wish.partition(".")[0] in ("reasoning", "include") else ""
