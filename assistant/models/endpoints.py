"""Which servers answer, and with which models."""

import http.client
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from agent.keys import key as key_of
from agent.models.settings import Endpoint
from sandbox.refused import Refused

PATIENCE = 0.7
"""Seconds that a server has; those on one's own machine need milliseconds."""
_MOST = 1 << 20
"""Bytes of an answer; more is no list of models."""


@dataclass(frozen=True)
class Served:
    """What came of asking one server."""

    endpoint: str
    url: str
    models: tuple[str, ...] = ()
    problem: str = ""
    """Why there is no list; empty where there is one."""


def ask(endpoints: Mapping[str, Endpoint], patience: float = PATIENCE) -> list[Served]:
    """Ask all at once for their models; a server that says nothing in time is left alone."""
    found = {name: Served(name, each.base_url, (), "silent") for name, each in endpoints.items()}

    def work(name: str, endpoint: Endpoint) -> None:
        found[name] = _asked(name, endpoint, patience)

    # Daemons: one that sends a byte a second must not hold the command up.
    threads = [threading.Thread(target=work, args=item, daemon=True) for item in endpoints.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 2 * patience
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))
    return list(found.values())


def _asked(name: str, endpoint: Endpoint, patience: float) -> Served:
    url = endpoint.base_url
    try:
        status, body = _get(f"{url.rstrip('/')}/models", endpoint.api_key_env, patience)
        if status in (401, 403):
            return Served(name, url, (), f"wants a key ({status})")
        listed = cast("dict[str, Any]", json.loads(body))["data"]
        return Served(name, url, tuple(str(model["id"]) for model in listed))
    except TimeoutError:
        return Served(name, url, (), "silent")
    except Refused:
        return Served(name, url, (), f"the key in {endpoint.api_key_env} cannot be sent")
    except (OSError, http.client.HTTPException) as error:
        return Served(name, url, (), getattr(error, "strerror", None) or str(error))
    except (ValueError, LookupError, TypeError, AttributeError):
        return Served(name, url, (), "something else answers there")


def _get(url: str, key: str, patience: float) -> tuple[int, bytes]:
    """Status and body; no proxy is asked, and no redirect is followed."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=patience)
    value = key_of(key) if key else ""
    try:
        headers = {"authorization": f"Bearer {value}"} if value else {}
        connection.request("GET", parts.path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(_MOST)
    finally:
        connection.close()
