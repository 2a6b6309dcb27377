"""Claude, through Anthropic's Messages API."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from agent.message import Message
from agent.model import Event, ModelError, Usage
from agent.models.anthropic_answer import AnthropicAnswer
from agent.models.anthropic_request import request
from agent.models.anthropic_thinking import Prefix, effort
from agent.models.encoded import dumps
from agent.models.meter import Meter, affordable
from agent.models.settings import Endpoint, ModelSettings
from agent.models.transport import options
from agent.models.wire import Service, comes_whole, timely, within
from agent.prices import cost, window
from tools.schema import ToolSchema

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic, AsyncStream

Wire = dict[str, Any]

_PAUSES = 20
"""How often a paused answer may go on; one that pauses more often ends there."""


ANTHROPIC = Endpoint("https://api.anthropic.com", "ANTHROPIC_API_KEY")


def service(name: str, key: str, settings: ModelSettings, endpoint: Endpoint) -> Service:
    """Anthropic, or who stands in for it, for messages to people."""
    return Service(
        name=name,
        address=endpoint.base_url,
        key=key,
        key_env=endpoint.api_key_env,
        settings=settings,
    )


def connected(service: Service) -> "AsyncAnthropic":
    """The SDK's client, which repeats nothing by itself."""
    from anthropic import AsyncAnthropic

    return AsyncAnthropic(
        api_key=service.key, base_url=service.address, **options(service.settings)
    )


class AnthropicModel:
    """One of Anthropic's models. Serves any number of conversations at a time.

    The temperature of the settings is not used: the API refuses requests that set one. Nor can an
    answer be required to be a call: models that think refuse that.
    """

    def __init__(
        self, model: str, key: str, settings: ModelSettings, endpoint: Endpoint = ANTHROPIC
    ) -> None:
        """`key` is the API key itself; it goes into requests and nowhere else."""
        self.name = f"anthropic:{model}"
        self._model = model
        self._settings = settings
        self._service = service(self.name, key, settings, endpoint)
        self._client: AsyncAnthropic | None = None

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Event]:
        """Answer the conversation.

        Raises:
            ModelError: there was no whole answer, after the retries that make sense.
        """
        from anthropic import AnthropicError

        prefix = Prefix()
        body = self._body(request(messages, tools, prefix)) | {"stream": True}

        def attempt() -> AsyncGenerator[Event]:
            return self._attempt(body, prefix)

        return self._service.stream(attempt, AnthropicError)

    @property
    def window(self) -> int:
        """How many tokens prompt and answer may have together; 0 where that is not known."""
        return window(self._model, provider="anthropic")

    async def count(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
        """The tokens of a prompt, as Anthropic counts them: a request of its own, without a price.

        Raises:
            ModelError: it cannot be counted now.
        """
        from anthropic import AnthropicError

        body = self._body(request(messages, tools))
        del body["max_tokens"]
        try:
            told = await self._connected().post(
                "/v1/messages/count_tokens", body=body, cast_to=object
            )
            return int(cast("Wire", told)["input_tokens"])
        except AnthropicError as error:
            # Without its cause: see `Service.stream`.
            raise ModelError(self._service.sentence(error)) from None
        except (LookupError, TypeError, ValueError):
            raise ModelError(f"{self.name} sent no number of tokens.") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    def _body(self, conversation: Wire) -> Wire:
        settings = self._settings
        return (
            conversation
            | {"model": self._model, "max_tokens": settings.max_tokens}
            | effort(self._model, settings.effort, settings.max_tokens)
        )

    async def _attempt(self, body: Wire, prefix: Prefix) -> AsyncGenerator[Event]:
        """One answer, with the responses in which it comes."""
        answer, asked = AnthropicAnswer(), body["messages"]
        for pause in range(_PAUSES + 1):
            async with aclosing(self._response(body, answer)) as events:
                async for event in events:
                    yield event
            if not answer.paused or pause == _PAUSES:
                break
            # The API goes on where an answer paused, if it gets that back as it is.
            partial: Wire = {"role": "assistant", "content": answer.content()}
            body = body | {"messages": [*asked, partial]}
            answer.resume()
        for event in answer.finish(prefix):
            yield event

    async def _response(self, body: Wire, answer: AnthropicAnswer) -> AsyncGenerator[Event]:
        """What one response adds to an answer, up to its last event."""
        sent = self._afforded(body)
        async with within(self._settings.first_timeout):
            response = await self._post(sent)
        meter = Meter(len(sent), self._price)
        try:
            yield meter.opened()
            async for event in self._read(response, answer, meter):
                meter.heard(event)
                yield event
        except Exception:
            # What a broken answer used is paid for all the same.
            yield meter.cut(answer.usage(self._model))
            raise
        finally:
            await response.close()
        yield meter.told(answer.usage(self._model))

    def _afforded(self, body: Wire) -> bytes:
        """The request, with an answer as long as the price of a call allows."""
        sent, cap = dumps(body), self._settings.call_cost
        if cap is None:
            return sent
        most = affordable(self.name, body["max_tokens"], cap, len(sent), self._price)
        # Thinking is a part of the answer, and has to become shorter with it.
        thinking = effort(self._model, self._settings.effort, most)
        plain = {name: value for name, value in body.items() if name != "thinking"}
        return dumps(plain | {"max_tokens": most} | thinking)

    async def _post(self, body: bytes) -> "AsyncStream[object]":
        from anthropic import AsyncStream

        # Plain objects instead of the SDK's models: those cost more than the rest of a step.
        return await self._connected().post(
            "/v1/messages",
            content=body,
            options={"headers": {"content-type": "application/json"}},
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )

    async def _read(
        self, response: "AsyncStream[object]", answer: AnthropicAnswer, meter: Meter
    ) -> AsyncGenerator[Event]:
        if comes_whole(response.response.headers.get("content-type", "")):
            async with within(self._settings.timeout):
                whole = json.loads(await response.response.aread())
            for event in answer.whole(whole):
                yield event
            return
        counted = False
        async for item in timely(response, self._settings):
            meter.piece()
            for event in answer.take(item):
                yield event
            if not counted:
                # The first event tells what the prompt cost.
                counted = True
                yield meter.told(answer.usage(self._model))

    def _price(self, usage: Usage) -> float | None:
        return cost(self._model, usage, provider="anthropic")

    def _connected(self) -> "AsyncAnthropic":
        if not self._client:
            self._client = connected(self._service)
        return self._client
