"""Every server that speaks OpenAI's Chat Completions."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from agent.message import Message
from agent.model import Event, Usage
from agent.models.openai_answer import OpenAIAnswer
from agent.models.openai_request import request
from agent.models.settings import Endpoint, ModelSettings
from agent.models.wire import Progress, Service, comes_whole
from agent.prices import cost
from tools.schema import ToolSchema

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

Wire = dict[str, Any]

OPENAI = Endpoint("https://api.openai.com/v1", "OPENAI_API_KEY")

_READ_OUT = 0.2
"""Seconds; a new connection takes about as long."""


def is_openai(address: str) -> bool:
    """Whether an address is OpenAI's own: the usual one, or one of a region."""
    return f".{urlsplit(address).hostname}".endswith(".api.openai.com")


class Answer(Protocol):
    """An answer that is put together from the chunks of its stream."""

    @property
    def ended(self) -> bool:
        """Whether what follows no longer matters."""
        ...

    @property
    def written(self) -> int:
        """Tokens that were written to the provider's cache."""
        ...

    def whole(self, response: Wire) -> Iterator[Event]:
        """Fold in an answer that came in one piece."""
        ...

    def take(self, chunk: object) -> Iterator[Event]:
        """Fold one chunk in."""
        ...

    def finish(self) -> Iterator[Event]:
        """What is known only at the end; the last is a `Stop`."""
        ...

    def usage(self) -> Usage:
        """The tokens, as far as they were told."""
        ...


class OpenAIModel:
    """A model behind Chat Completions. Serves any number of conversations at a time."""

    path = "/chat/completions"

    def __init__(self, name: str, endpoint: Endpoint, key: str, settings: ModelSettings) -> None:
        """`name` is `provider:model`; `key` is the API key itself, empty where none is needed."""
        self.name = name
        self._model = name.partition(":")[2]
        self._endpoint = endpoint
        self._own = is_openai(endpoint.base_url)
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

        def attempt(progress: Progress) -> AsyncGenerator[Event]:
            return self._attempt(messages, tools, progress)

        return self._service.stream(attempt, OpenAIError)

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    def _body(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Wire:
        # OpenAI's newer models refuse the old name of the limit; other servers know only that.
        limit = "max_completion_tokens" if self._own else "max_tokens"
        body = request(messages, tools) | {
            "model": self._model,
            limit: self._settings.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature
        return body

    def _answer(self, messages: Sequence[Message]) -> Answer:
        return OpenAIAnswer(len(messages))

    async def _post(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> "AsyncStream[object]":
        from openai import AsyncStream

        # Plain objects instead of the SDK's models: those cost more than the rest of a step.
        return await self._connected().post(
            self.path,
            body=self._body(messages, tools),
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )

    async def _attempt(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], progress: Progress
    ) -> AsyncGenerator[Event]:
        response = await self._post(messages, tools)
        progress.opened = True
        answer = self._answer(messages)
        try:
            if comes_whole(response.response.headers.get("content-type", "")):
                for event in answer.whole(json.loads(await response.response.aread())):
                    yield event
            else:
                async for chunk in response:
                    for event in answer.take(chunk):
                        yield event
                    if answer.ended:
                        await _read_out(response)
            last = list(answer.finish())
        except Exception:
            # What a broken answer used is paid for all the same.
            yield self._priced(answer)
            raise
        finally:
            await response.close()
        yield self._priced(answer)
        for event in last:
            yield event

    def _priced(self, answer: Answer) -> Usage:
        usage, provider = answer.usage(), "openai" if self._own else ""
        url, written = self._endpoint.base_url, answer.written
        price = cost(self._model, usage, provider=provider, url=url, written=written)
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


async def _read_out(response: "AsyncStream[object]") -> None:
    """Read what follows a whole answer, so that the connection can be used again."""
    from openai import OpenAIError

    with suppress(OpenAIError, TimeoutError, ValueError):
        async with asyncio.timeout(_READ_OUT):
            async for _ in response:
                pass
