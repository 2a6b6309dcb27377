"""Whether and when a request that failed is made again."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import cast

from agent.model import Retry

_STATUS = {408, 409, 429}
"""Repeated, as is everything from 500 on."""
_OVERLOADED = {429, 503, 529}
_UNPAID = {"insufficient_quota", "billing_error"}
"""These come with the status of a rate limit, and no pause mends them."""
_PERMANENT = _UNPAID | {
    "invalid_request_error", "authentication_error", "permission_error", "not_found_error",
    "context_length_exceeded", "invalid_prompt", "bio_policy", "cyber_policy",
    "misalignment_policy_violation",
}  # fmt: skip
_BUSY = {"overloaded_error", "rate_limit_error", "rate_limit_exceeded", "server_is_overloaded"}

_FIRST = 1.0
_LONGEST = 30.0
"""Seconds: of the first pause at most, and of any pause where the server asks for none."""


def retry(error: Exception, tried: int, patience: float) -> Retry | None:
    """The pause before the next try; None where another try makes no sense.

    Where the server asks for a time, that time and up to a tenth more. Otherwise any time up to a
    bound that doubles with each try ("full jitter"): many clients that failed together come back
    apart. Never longer than `patience`, in seconds; a longer wish is told.

    Args:
        error: the SDK's error or one of ours; what it tells is read off it.
        tried: how often the request was made.
        patience: seconds.
    """
    headers, status = _headers(error), _status(error)
    hopeless = kinds(error) & (_UNPAID if status else _PERMANENT)
    if hopeless or not _promising(status, headers.get("x-should-retry", "")):
        return None
    wish = wanted(error)
    if wish is None:
        pause = random.uniform(0, min(_LONGEST, _FIRST * 2 ** (tried - 1)))  # noqa: S311
    else:
        pause = wish * random.uniform(1.0, 1.1)  # noqa: S311
    told, pause = _reason(error, status), min(pause, patience)
    if wish is not None and wish > patience:
        told += f" (it asks for {wish:.0f} s)"
    busy = status in _OVERLOADED or bool(kinds(error) & _BUSY)
    seconds = f"{pause:.0f}" if pause >= 1 else f"{pause:.1g}"
    return Retry(f"{told}, again in {seconds} s", pause, busy)


def wanted(error: Exception) -> float | None:
    """The seconds that a server asks to wait, if it does: retry-after(-ms), or an HTTP date."""
    headers = _headers(error)
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        return max(parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time(), 0.0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def kinds(error: Exception) -> set[str]:
    """The provider's names for an error: its type and its code."""
    body: object = getattr(error, "body", None)
    while isinstance(body, dict) and "error" in body:
        body = cast("dict[str, object]", body)["error"]
    if not isinstance(body, dict):
        return {body} if isinstance(body, str) else set()
    inside = cast("dict[str, object]", body)
    return {name for name in (inside.get("type"), inside.get("code")) if isinstance(name, str)}


def _promising(status: int | None, advice: str) -> bool:
    """Whether another try may help, as far as the status tells; some servers say it themselves."""
    if advice in ("true", "false"):
        return advice == "true"
    return status is None or status in _STATUS or status >= 500


def _status(error: Exception) -> int | None:
    """The HTTP status, where that is the failure; a stream that reports one has status 200."""
    status: int | None = getattr(error, "status_code", None)
    return status if status is not None and status >= 400 else None


def _headers(error: Exception) -> Mapping[str, str]:
    response = getattr(error, "response", None)
    return getattr(response, "headers", {}) if _status(error) else {}


def _reason(error: Exception, status: int | None) -> str:
    if kinds(error) & _BUSY - {"overloaded_error", "server_is_overloaded"} or status == 429:
        return "rate limited"
    if kinds(error) & _BUSY or status in _OVERLOADED:
        return "overloaded"
    return f"the server failed ({status})" if status else "the answer did not come"
