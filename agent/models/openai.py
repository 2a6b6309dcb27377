"""GPT and every server that speaks OpenAI's Chat Completions."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.message import Message
from agent.model import Event, Usage
from agent.models.openai_answer import OpenAIAnswer
from agent.models.openai_request import request
from agent.models.settings import Endpoint, ModelSettings
from agent.models.wire import Progress, Service
from agent.prices import cost
from tools.schema import ToolSchema

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI = Endpoint("https://api.openai.com/v1", "OPENAI_API_KEY")


class OpenAIModel:
    """A model behind Chat Completions. Serves any number of conversations at a time."""

    def __init__(self, name: str, endpoint: Endpoint, key: str, settings: ModelSettings) -> None:
        """`name` is `provider:model`; `key` is the API key itself, empty where none is needed."""
        self.name = name
        self._model = name.partition(":")[2]
        self._endpoint = endpoint
        self._own = endpoint.base_url == OPENAI.base_url
        self._settings = settings
        self._service = Service(
            name=name,
            address=endpoint.base_url,
            key=key,
            key_env=endpoint.api_key_env,
            timeout=settings.timeout,
            retries=settings.retries,
        )
        self._client: AsyncOpenAI | None = None

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer the conversation.

        Raises:
            ModelError: there was no whole answer, after the retries that make sense.
        """
        from openai import OpenAIError

        body = request(messages, tools) | self._options()

        def attempt(progress: Progress) -> AsyncGenerator[Event]:
            return self._attempt(body, len(messages), progress)

        return self._service.stream(attempt, OpenAIError)

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    def _options(self) -> dict[str, Any]:
        # OpenAI's newer models refuse the old name of the limit; other servers know only that.
        limit = "max_completion_tokens" if self._own else "max_tokens"
        options: dict[str, Any] = {
            "model": self._model,
            limit: self._settings.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._settings.temperature is not None:
            options["temperature"] = self._settings.temperature
        return options

    async def _attempt(
        self, body: dict[str, Any], index: int, progress: Progress
    ) -> AsyncGenerator[Event]:
        from openai import AsyncStream

        # Plain objects instead of the SDK's models: those cost more than the rest of a step.
        response = await self._connected().post(
            "/chat/completions",
            body=body,
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        progress.opened = True
        answer = OpenAIAnswer(index)
        try:
            if "json" in response.response.headers.get("content-type", ""):
                for event in answer.take(json.loads(await response.response.aread())):
                    yield event
            else:
                async for chunk in response:
                    for event in answer.take(chunk):
                        yield event
            last = list(answer.finish())
        except Exception:
            # What a broken answer used is paid for all the same.
            yield self._priced(answer.usage())
            raise
        finally:
            await response.close()
        yield self._priced(answer.usage())
        for event in last:
            yield event

    def _priced(self, usage: Usage) -> Usage:
        provider = "openai" if self._own else ""
        price = cost(self._model, usage, provider=provider, url=self._endpoint.base_url)
        return replace(usage, cost=price)

    def _connected(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI

        if not self._client:
            self._client = AsyncOpenAI(
                # The SDK insists on a key; servers that need none do not look at it.
                api_key=self._service.key or "none",
                base_url=self._endpoint.base_url,
                timeout=self._settings.timeout,
                max_retries=self._settings.retries,
            )
        return self._client
