"""What models on the wire share: trying again, and failures as one sentence without secrets."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

from agent.model import ContextFull, Event, ModelError, Notice, Retry, Usage
from agent.models.retry import retry, wanted
from agent.models.settings import ModelSettings

Item = TypeVar("Item")

_SECRET = 8
"""Letters; what is shorter is no secret."""
_FULL = re.compile(
    # Codes of OpenAI and llama-server, then words of OpenAI, vLLM, llama-server, Anthropic.
    r"context_length_exceeded|exceed_context_size_error"
    r"|exceeds? (the )?(available )?context|maximum context length|context size has been exceeded"
    r"|longer than the maximum model length|prompt is too long",
    re.IGNORECASE,
)


class Cut(Exception):
    """An answer that cannot be used: it broke off, or is not what the protocol says."""


class Reported(Exception):
    """A failure of which the provider told inside its answer, where the SDK does not look."""

    def __init__(self, body: object) -> None:
        """`body` is what it told, with `message` and `code`."""
        super().__init__("it failed and gave no reason")
        self.body = body


def comes_whole(content_type: str) -> bool:
    """Whether a response is one JSON object, and no stream.

    Raises:
        Cut: it is a web page, as proxies and wrong addresses send them.
    """
    if "html" in content_type:
        raise Cut("it sent a web page: check the address")
    return "json" in content_type


class Flood(Cut):
    """An answer that is longer than anything that makes sense: no second one is asked for."""


class Silent(Exception):
    """Nothing came for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"sent nothing for {seconds:g} seconds")


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """Allow what is inside this many seconds.

    Raises:
        Silent: it took longer.
    """
    waiting = asyncio.timeout(seconds)
    try:
        async with waiting:
            yield
    except TimeoutError:
        if waiting.expired():
            raise Silent(seconds) from None
        raise


async def timely(source: AsyncIterator[Item], settings: ModelSettings) -> AsyncGenerator[Item]:
    """What `source` yields, as long as it keeps coming.

    Raises:
        Silent: its first item, or the next one, did not come in the time of the settings.
    """
    seconds = settings.first_timeout
    while True:
        try:
            async with within(seconds):
                item = await anext(source)
        except StopAsyncIteration:
            return
        yield item
        seconds = settings.timeout


Attempt = Callable[[], AsyncGenerator[Event]]


@dataclass(frozen=True)
class Service:
    """Who is asked, for messages to people; and how patient we are."""

    name: str
    """Of the model, with its provider."""
    address: str
    key: str = field(repr=False)
    """Only to keep it out of messages."""
    key_env: str
    settings: ModelSettings

    async def stream(self, attempt: Attempt, failure: type[Exception]) -> AsyncGenerator[Event]:
        """The events of the first attempt that succeeds, with a `Retry` before each further one.

        An attempt is repeated only while nothing of its answer has been passed on. The SDKs repeat
        nothing: theirs would be neither seen nor counted. `failure` is the SDK's own error.

        Raises:
            ContextFull: the conversation does not fit.
            ModelError: the last failure.
        """
        # Inside a response the transport's errors come through the SDK as they are.
        from httpx2 import TransportError

        broken = (
            *(failure, TransportError, Cut, Silent, Reported),
            *(json.JSONDecodeError, UnicodeDecodeError),
        )
        for tried in range(1, self.settings.retries + 2):
            shown = False
            try:
                # Closed at once, and the connection with it, when the consumer leaves.
                async with aclosing(attempt()) as events:
                    async for event in events:
                        shown = shown or not isinstance(event, Usage | Notice)
                        yield event
                return
            except broken as error:
                again = None if shown else self._again(error, tried)
                if again is None:
                    kind = ContextFull if _full(error) else ModelError
                    # Without its cause: providers repeat parts of a key that they refuse.
                    raise kind(self.sentence(error, tried)) from None
            due = time.monotonic() + again.seconds
            yield again
            # Whoever listens may have waited already; see `agent.limiter`.
            await asyncio.sleep(due - time.monotonic())

    def _again(self, error: Exception, tried: int) -> Retry | None:
        if tried > self.settings.retries or isinstance(error, Flood) or _full(error):
            return None
        return retry(error, tried, self.settings.patience)

    def sentence(self, error: Exception, tried: int = 1) -> str:
        """A failure for people: who, what, and what to do where that is known."""
        tries = f"after {tried} tries" if tried > 1 else ""
        status: int | None = getattr(error, "status_code", None)
        if status is None or status < 400:
            return f"{self.name} {self._broken(error)}{tries and ', '}{tries}."
        known = {
            401: f"refused the key in {self.key_env} (401): check it"
            if self.key_env
            else "wants a key (401): name its environment variable in the configuration",
            404: f"is not known at {self.address} (404): check the model's name and the address",
            429: self._limited(error),
        }
        # The body of a 401 repeats parts of the key.
        detail = "" if status == 401 else self._detail(error)
        text = known.get(status, f"refused the request ({status})" if status < 500 else "")
        text = (text or f"fails ({status})") + (tries and f", {tries}")
        return f"{self.name} {text}{detail and ': '}{detail}".rstrip(".") + "."

    def _limited(self, error: Exception) -> str:
        text, seconds = "is over its rate limit or out of credit (429)", wanted(error)
        if seconds is None or seconds <= self.settings.patience:
            return text
        return f"{text} and asks for {seconds:.0f} seconds"

    def _broken(self, error: Exception) -> str:
        """What went wrong where there is no HTTP status."""
        if isinstance(error, Reported):
            return f"failed: {self._detail(error)}"
        if isinstance(error, Silent):
            return str(error)
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            return "gave no whole answer: it sent something that is no JSON"
        if isinstance(error, Cut):
            return f"gave no whole answer: {error}"
        cause = error.__cause__ or error
        kinds = {kind.__name__ for kind in (*type(error).__mro__, *type(cause).__mro__)}
        if kinds & {"ConnectError", "ConnectTimeout"}:
            return f"cannot be reached at {self.address}: {self._clean(str(cause))}"
        if kinds & {"APITimeoutError", "TimeoutException"}:
            return str(Silent(self.settings.first_timeout))
        reason = self._detail(error) if cause is error else self._clean(str(cause))
        reason = reason.rstrip(".") or type(cause).__name__
        return f"broke off in the middle of its answer: {reason}"

    def _detail(self, error: Exception) -> str:
        """The server's own words, if it has any."""
        body: object = getattr(error, "body", None)
        while isinstance(body, dict):
            inside = cast("dict[str, object]", body)
            body = inside.get("error") or inside.get("message")
        return self._clean(body if isinstance(body, str) else str(error))

    def _clean(self, text: str) -> str:
        # What local servers take for a key may be a word of the language.
        if len(self.key) >= _SECRET:
            text = text.replace(self.key, "…")
        text = " ".join(text.split())
        return text if len(text) <= 300 else text[:299] + "…"


def _full(error: Exception) -> bool:
    """Whether it says that the conversation is too long; no two providers say it the same way."""
    told = str(getattr(error, "body", None))
    status: int | None = getattr(error, "status_code", None)
    # A limit of the answer that is "too large" is a wrong setting.
    return status in (None, 400, 413) and bool(_FULL.search(told)) and "too large" not in told
