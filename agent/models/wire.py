"""What models on the wire share: trying again, and failures as one sentence without secrets."""

import asyncio
import json
import random
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from agent.model import ContextFull, Event, ModelError, Usage

_PERMANENT = {
    "invalid_request_error", "authentication_error", "permission_error", "not_found_error",
    "context_length_exceeded", "insufficient_quota", "invalid_prompt", "bio_policy",
    "cyber_policy", "misalignment_policy_violation",
}  # fmt: skip
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


@dataclass
class Progress:
    """How far one attempt came."""

    opened: bool = False
    """The response has begun; up to there the SDK repeats requests by itself."""


Attempt = Callable[[Progress], AsyncGenerator[Event]]


@dataclass(frozen=True)
class Service:
    """Who is asked, for messages to people; and how patient we are."""

    name: str
    """Of the model, with its provider."""
    address: str
    key: str
    """Only to keep it out of messages."""
    key_env: str
    timeout: float
    retries: int

    async def stream(self, attempt: Attempt, failure: type[Exception]) -> AsyncGenerator[Event]:
        """The events of the first attempt that succeeds.

        An attempt is repeated only while nothing of its answer has been passed on, and only for
        what the SDK does not repeat: a response that breaks. `failure` is the SDK's own error.

        Raises:
            ContextFull: the conversation does not fit.
            ModelError: the last failure.
        """
        # Inside a response the transport's errors come through the SDK as they are.
        from httpx2 import TransportError

        broken = (failure, TransportError, Cut, Reported, json.JSONDecodeError, UnicodeDecodeError)
        for number in range(self.retries + 1):
            progress, shown = Progress(), False
            try:
                # Closed at once, and the connection with it, when the consumer leaves.
                async with aclosing(attempt(progress)) as events:
                    async for event in events:
                        shown = shown or not isinstance(event, Usage)
                        yield event
                return
            except broken as error:
                again = progress.opened and not shown and number < self.retries
                if not again or _kinds(error) & _PERMANENT:
                    kind = ContextFull if _full(error) else ModelError
                    raise kind(self.sentence(error)) from error
            await asyncio.sleep(min(8.0, 0.5 * 2**number) * random.uniform(0.75, 1.0))  # noqa: S311

    def sentence(self, error: Exception) -> str:
        """A failure for people: who, what, and what to do where that is known."""
        status: int | None = getattr(error, "status_code", None)
        if status is None or status < 400:
            return f"{self.name} {self._broken(error)}."
        known = {
            401: f"refused the key in {self.key_env} (401): check it"
            if self.key_env
            else "wants a key (401): name its environment variable in the configuration",
            404: f"is not known at {self.address} (404): check the model's name and the address",
            429: f"is over its rate limit or out of credit (429), after {self.retries + 1} tries",
        }
        # The body of a 401 repeats parts of the key.
        detail = "" if status == 401 else self._detail(error)
        text = known.get(status, f"refused the request ({status})" if status < 500 else "")
        text = text or f"fails ({status}), after {self.retries + 1} tries"
        return f"{self.name} {text}{detail and ': '}{detail}".rstrip(".") + "."

    def _broken(self, error: Exception) -> str:
        """What went wrong where there is no HTTP status."""
        if isinstance(error, Reported):
            return f"failed: {self._detail(error)}"
        if isinstance(error, Cut):
            return f"gave no whole answer: {error}"
        cause = error.__cause__ or error
        kinds = {kind.__name__ for kind in (*type(error).__mro__, *type(cause).__mro__)}
        if kinds & {"ConnectError", "ConnectTimeout"}:
            return f"cannot be reached at {self.address}: {self._clean(str(cause))}"
        if kinds & {"APITimeoutError", "TimeoutException"}:
            return f"sent nothing for {self.timeout:g} seconds"
        reason = self._detail(error) if cause is error else self._clean(str(cause))
        return f"broke off in the middle of its answer: {reason or type(cause).__name__}"

    def _detail(self, error: Exception) -> str:
        """The server's own words, if it has any."""
        body: object = getattr(error, "body", None)
        while isinstance(body, dict):
            inside = cast("dict[str, object]", body)
            body = inside.get("error") or inside.get("message")
        return self._clean(body if isinstance(body, str) else str(error))

    def _clean(self, text: str) -> str:
        if self.key:
            text = text.replace(self.key, "…")
        text = " ".join(text.split())
        return text if len(text) <= 300 else text[:299] + "…"


def _kinds(error: Exception) -> set[str]:
    """The provider's names for an error: its type and its code."""
    body: object = getattr(error, "body", None)
    while isinstance(body, dict) and "error" in body:
        body = cast("dict[str, object]", body)["error"]
    if not isinstance(body, dict):
        return {body} if isinstance(body, str) else set()
    inside = cast("dict[str, object]", body)
    return {name for name in (inside.get("type"), inside.get("code")) if isinstance(name, str)}


def _full(error: Exception) -> bool:
    """Whether it says that the conversation is too long; no two providers say it the same way."""
    told = str(getattr(error, "body", None))
    status: int | None = getattr(error, "status_code", None)
    # A limit of the answer that is "too large" is a wrong setting.
    return status in (None, 400, 413) and bool(_FULL.search(told)) and "too large" not in told
