"""Anthropic's Message Batches: many single questions at half price, answered within a day."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent.message import Message
from agent.model import ModelError, Reply, answer
from agent.models.anthropic import ANTHROPIC, connected, service
from agent.models.anthropic_answer import AnthropicAnswer
from agent.models.anthropic_request import request
from agent.models.anthropic_thinking import Prefix, effort
from agent.models.encoded import dumps
from agent.models.retry import retry
from agent.models.scripted import ScriptedModel
from agent.models.settings import Endpoint, ModelSettings
from agent.models.wire import Cut

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types.messages import MessageBatch

Wire = dict[str, Any]

MOST = 10_000
"""Requests of one batch. Anthropic takes ten times as many, or 256 MB."""
MOST_BYTES = 100_000_000

_PAUSES = (5.0, 60.0)
"""Seconds between two looks at a batch: the first time, and at most."""
_NOT_TAKEN = (429, 529)
"""With these a batch was not made; after other failures it may have been."""


@dataclass(frozen=True)
class Outcome:
    """What became of one request: a reply, or the sentence that says why there is none."""

    reply: Reply | None
    problem: str = ""


class AnthropicBatches:
    """Asks one of Anthropic's models many questions that do not depend on each other.

    A manifest on disk (JSON lines: a batch's id and the requests in it) says what was submitted:
    whoever is killed while waiting asks the same again and pays nothing twice. Does not cover: a
    kill in the moment between a submission and its note.
    """

    def __init__(
        self,
        model: str,
        key: str,
        settings: ModelSettings,
        manifest: Path,
        endpoint: Endpoint = ANTHROPIC,
    ) -> None:
        """`key` is the API key itself."""
        self.name = f"anthropic:{model}"
        self._model = model
        self._settings = settings
        self._manifest = manifest
        self.pauses = _PAUSES
        self._service = service(self.name, key, settings, endpoint)
        self._client: AsyncAnthropic | None = None

    async def run(self, asked: Mapping[str, Sequence[Message]]) -> dict[str, Outcome]:
        """Submit what was not submitted yet, wait for all of it, and give each request's outcome.

        Outcomes are final. To ask once more what failed, use another name or another manifest.

        Args:
            asked: conversations by any names; each ends with what is to be answered.

        Raises:
            ModelError: the batches cannot be made or reached. Ask again to go on.
        """
        names = {self._identity(name, messages): name for name, messages in asked.items()}
        async with self._failures():
            await self._submit({key: asked[name] for key, name in names.items()})
            found: dict[str, Outcome] = {}
            for batch, keys in _read(self._manifest).items():
                if not keys.isdisjoint(names):
                    await self._wait(batch)
                    found |= await self._results(batch, len(keys))
        missing = Outcome(None, "The batch has no result for it.")
        return {name: found.get(key, missing) for key, name in names.items()}

    async def close(self) -> None:
        """Close the connections. Batches that were submitted go on."""
        if self._client:
            await self._client.close()

    def _body(self, messages: Sequence[Message]) -> Wire:
        body = request(messages, [])
        _unmark(body)
        settings = self._settings
        return (
            body
            | {"model": self._model, "max_tokens": settings.max_tokens}
            | effort(self._model, settings.effort, settings.max_tokens)
        )

    def _identity(self, name: str, messages: Sequence[Message]) -> str:
        """Of a request: another text, model or setting makes it another one."""
        return hashlib.sha256(dumps([name, self._body(messages)])).hexdigest()[:48]

    async def _submit(self, asked: Mapping[str, Sequence[Message]]) -> None:
        known = {key for keys in _read(self._manifest).values() for key in keys}
        new: list[Wire] = [
            {"custom_id": key, "params": self._body(messages)}
            for key, messages in asked.items()
            if key not in known
        ]
        for part in parts(new):
            await self._create(part)

    async def _create(self, entries: list[Wire]) -> None:
        from anthropic import APIStatusError

        # A connection that breaks here may have made a batch: only a clear no is tried again.
        batches = self._connected().with_options(max_retries=0).messages.batches
        for tried in count(1):
            try:
                made = await batches.create(requests=cast("Any", entries))
            except APIStatusError as error:
                again = retry(error, tried, self._settings.patience)
                last = tried > self._settings.retries
                if last or again is None or error.status_code not in _NOT_TAKEN:
                    raise
                await asyncio.sleep(again.seconds)
            else:
                _note(self._manifest, made.id, [entry["custom_id"] for entry in entries])
                return

    async def _wait(self, batch: str) -> "MessageBatch":
        pause, most = self.pauses
        while True:
            state = await self._connected().messages.batches.retrieve(batch)
            if state.processing_status == "ended":
                return state
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, most)

    async def _results(self, batch: str, wanted: int) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        async for entry in await self._connected().messages.batches.results(batch):
            found[entry.custom_id] = await self._outcome(entry.result.to_dict())
        if len(found) < wanted:
            raise Cut(f"{wanted - len(found)} of {wanted} results of batch {batch} did not come")
        return found

    async def _outcome(self, result: Wire) -> Outcome:
        if result["type"] == "errored":
            told: Wire = result.get("error", {}).get("error", {})
            return Outcome(None, f"{told.get('type', 'error')}: {told.get('message', '')}")
        if result["type"] != "succeeded":
            return Outcome(None, f"The request was {result['type']} before it was answered.")
        response = AnthropicAnswer()
        try:
            events = [*response.whole(result["message"])]
            events += [response.usage(self._model, batch=True), *response.finish(Prefix())]
        except (Cut, ModelError) as error:
            return Outcome(None, str(error))
        return Outcome(await answer(ScriptedModel([events], self.name), [], []))

    @asynccontextmanager
    async def _failures(self) -> AsyncGenerator[None]:
        """What fails on the way becomes one sentence."""
        from anthropic import AnthropicError, NotFoundError
        from httpx2 import TransportError

        try:
            yield
        except NotFoundError as error:
            raise ModelError(
                f"A batch of {self._manifest} is not known to {self._service.address}: it may be "
                "another account's; delete the file to submit its requests again."
            ) from error
        except (AnthropicError, TransportError, Cut, json.JSONDecodeError) as error:
            raise ModelError(self._service.sentence(error)) from error

    def _connected(self) -> "AsyncAnthropic":
        if not self._client:
            client = connected(self._service)
            # To look at a batch once more costs nothing and changes nothing.
            self._client = client.with_options(max_retries=self._settings.retries)
        return self._client


def parts(entries: Sequence[Wire], most: int = MOST, size: int = MOST_BYTES) -> list[list[Wire]]:
    """Entries in batches of at most `most`, and of `size` bytes unless one alone is larger."""
    found, used = list[list[Wire]](), 0
    for entry in entries:
        length = len(dumps(entry))
        if not found or len(found[-1]) == most or used + length > size:
            found.append([])
            used = 0
        found[-1].append(entry)
        used += length
    return found


def _unmark(body: Wire) -> None:
    """Take the cache breakpoints out: what is written would never be read."""
    for turn in (*body["messages"], {"content": body.get("system", [])}):
        for block in turn["content"]:
            block.pop("cache_control", None)


def _read(manifest: Path) -> dict[str, set[str]]:
    """The batches of a manifest and the requests in each. A line that was cut off is none."""
    found: dict[str, set[str]] = {}
    for line in manifest.read_text(encoding="utf-8").splitlines() if manifest.exists() else []:
        try:
            entry: Wire = json.loads(line)
            found[entry["batch"]] = set(entry["requests"])
        except (ValueError, LookupError, TypeError):
            continue
    return found


def _note(manifest: Path, batch: str, keys: Sequence[str]) -> None:
    """Add a batch, and wait until that is on the disk."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with manifest.open("a", encoding="utf-8") as file:
        # A line that a kill has cut off ends here.
        file.write("\n" if file.tell() else "")
        file.write(json.dumps({"batch": batch, "requests": list(keys)}) + "\n")
        file.flush()
        os.fsync(file.fileno())
