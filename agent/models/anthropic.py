"""Claude, through Anthropic's Messages API."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from agent.message import Message
from agent.model import Event
from agent.models.anthropic_answer import AnthropicAnswer
from agent.models.anthropic_request import request
from agent.models.settings import ModelSettings
from agent.models.wire import Progress, Service, comes_whole
from tools.schema import ToolSchema

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


class AnthropicModel:
    """One of Anthropic's models. Serves any number of conversations at a time."""

    def __init__(self, model: str, key: str, settings: ModelSettings) -> None:
        """`key` is the API key itself; it goes into requests and nowhere else."""
        self.name = f"anthropic:{model}"
        self._model = model
        self._settings = settings
        self._service = Service(
            name=self.name,
            address=settings.base_url or "api.anthropic.com",
            key=key,
            key_env=settings.api_key_env or "ANTHROPIC_API_KEY",
            timeout=settings.timeout,
            retries=settings.retries,
        )
        self._client: AsyncAnthropic | None = None

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer the conversation.

        Raises:
            ModelError: there was no whole answer, after the retries that make sense.
        """
        from anthropic import AnthropicError

        body = request(messages, tools)
        body |= {"model": self._model, "max_tokens": self._settings.max_tokens, "stream": True}
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature

        def attempt(progress: Progress) -> AsyncGenerator[Event]:
            return self._attempt(body, progress)

        return self._service.stream(attempt, AnthropicError)

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    async def _attempt(self, body: dict[str, Any], progress: Progress) -> AsyncGenerator[Event]:
        from anthropic import AsyncStream

        client = self._connected()
        # Plain objects instead of the SDK's models: those cost more than the rest of a step.
        response = await client.post(
            "/v1/messages", body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
        )
        progress.opened = True
        answer = AnthropicAnswer()
        try:
            if comes_whole(response.response.headers.get("content-type", "")):
                for event in answer.whole(json.loads(await response.response.aread())):
                    yield event
            else:
                async for item in response:
                    for event in answer.take(item):
                        yield event
            stop = answer.stop()
        except Exception:
            # What a broken answer used is paid for all the same.
            yield answer.usage(self._model)
            raise
        finally:
            await response.close()
        yield answer.usage(self._model)
        yield stop

    def _connected(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic

        if not self._client:
            self._client = AsyncAnthropic(
                api_key=self._service.key,
                base_url=self._settings.base_url,
                timeout=self._settings.timeout,
                max_retries=self._settings.retries,
            )
        return self._client
