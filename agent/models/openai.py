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
from agent.models.encoded import History, body
from agent.models.meter import Meter, affordable
from agent.models.openai_answer import OpenAIAnswer
from agent.models.openai_request import request
from agent.models.settings import Endpoint, ModelSettings
from agent.models.transport import options
from agent.models.wire import Service, comes_whole, timely, within
from agent.prices import cost, window
from tools.schema import ToolSchema

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

Wire = dict[str, Any]

OPENAI = Endpoint("https://api.openai.com/v1", "OPENAI_API_KEY")

_JSON = {"content-type": "application/json"}

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
    requires = True
    """Whether it can be held to a call; see `agent.model.Required`."""

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
            settings=settings,
        )
        self._history = History(lambda message: request([message], [])["messages"])
        self._client: AsyncOpenAI | None = None

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer the conversation.

        Raises:
            ModelError: there was no whole answer, after the retries that make sense.
        """
        from openai import OpenAIError

        def attempt() -> AsyncGenerator[Event]:
            return self._attempt(messages, tools)

        return self._service.stream(attempt, OpenAIError)

    @property
    def window(self) -> int:
        """Tokens that prompt and answer may have together; 0 where that is not known."""
        known = window(self._model, provider=self._prices, url=self._endpoint.base_url)
        return self._endpoint.context or known

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    def _body(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> bytes:
        history, settings = self._history(messages), self._settings
        # OpenAI's newer models refuse the old name of the limit; other servers know only that.
        limit = "max_completion_tokens" if self._own else "max_tokens"
        rest = request([], tools) | {
            "model": self._model,
            limit: self._longest(len(history)),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if settings.temperature is not None:
            rest["temperature"] = settings.temperature
        if settings.effort:
            rest["reasoning_effort"] = settings.effort
        return body(rest, messages=history)

    def _longest(self, sent: int) -> int:
        """Tokens of the longest answer that is allowed and may be afforded."""
        most, cap = self._settings.max_tokens, self._settings.call_cost
        return most if cap is None else affordable(self.name, most, cap, sent, self._price)

    def _answer(self, messages: Sequence[Message]) -> Answer:
        return OpenAIAnswer(len(messages))

    async def _begin(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> "tuple[AsyncStream[object], int]":
        """The response, and the bytes that were sent for it."""
        sent = self._body(messages, tools)
        return await self._post(sent), len(sent)

    async def _post(self, body: bytes) -> "AsyncStream[object]":
        from openai import AsyncStream

        # Plain objects instead of the SDK's models: those cost more than the rest of a step.
        return await self._connected().post(
            self.path,
            content=body,
            options={"headers": _JSON},
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )

    async def _attempt(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncGenerator[Event]:
        async with within(self._settings.first_timeout):
            response, sent = await self._begin(messages, tools)
        answer = self._answer(messages)
        meter = Meter(sent, lambda usage: self._price(usage, answer.written))
        try:
            yield meter.opened()
            async for event in self._read(response, answer, meter):
                meter.heard(event)
                yield event
            last = list(answer.finish())
        except Exception:
            # What a broken answer used is paid for all the same.
            yield meter.cut(self._priced(answer))
            raise
        finally:
            await response.close()
        yield meter.told(self._priced(answer))
        for event in last:
            yield event

    async def _read(
        self, response: "AsyncStream[object]", answer: Answer, meter: Meter
    ) -> AsyncGenerator[Event]:
        if comes_whole(response.response.headers.get("content-type", "")):
            async with within(self._settings.timeout):
                whole = json.loads(await response.response.aread())
            for event in answer.whole(whole):
                yield event
            return
        async for chunk in timely(response, self._settings):
            meter.piece()
            for event in answer.take(chunk):
                yield event
            if answer.ended:
                await _read_out(response)

    def _priced(self, answer: Answer) -> Usage:
        usage = answer.usage()
        return replace(usage, cost=self._price(usage, answer.written))

    def _price(self, usage: Usage, written: int = 0) -> float | None:
        provider, url = self._prices, self._endpoint.base_url
        return cost(self._model, usage, provider=provider, url=url, written=written)

    @property
    def _prices(self) -> str:
        """Who sets the prices, as the list calls it."""
        return self._endpoint.prices or ("openai" if self._own else "")

    def _connected(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI

        if not self._client:
            self._client = AsyncOpenAI(
                # The SDK insists on a key; servers that need none do not look at it.
                api_key=self._service.key or "none",
                base_url=self._endpoint.base_url,
                **options(self._settings),
            )
        return self._client


async def _read_out(response: "AsyncStream[object]") -> None:
    """Read what follows a whole answer, so that the connection can be used again."""
    from openai import OpenAIError

    with suppress(OpenAIError, TimeoutError, ValueError):
        async with asyncio.timeout(_READ_OUT):
            async for _ in response:
                pass
