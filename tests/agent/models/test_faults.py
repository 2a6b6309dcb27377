"""The fault table: what a provider or the network can do to a turn, over a real socket.

Each line is run against every protocol: a turn in which a tool runs, with the fault before and
after that where it is mended, else after it, or inside the call. It ends in the right result or in
one clear sentence; no tool runs twice.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import cast

import pytest

from agent.agent import Agent
from agent.conversation import Conversation, begin
from agent.model import Event, Model, ModelError, Retry
from agent.models.anthropic import AnthropicModel
from agent.models.open import OpenModel
from agent.models.openai import OpenAIModel
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from agent.store import Store
from sandbox.sandbox import Sandbox
from tests.servers import anthropic_server, openai_server
from tests.servers.model_server import Fault, ModelServer, Reply, Wire
from tools.call import Observation
from tools.tool import Context, Tool

KEY = "sk-very-secret-0123456789"
PROTOCOLS = ["messages", "chat completions", "responses"]
RETRIES = 2
BRIEF, LONG = 0.9, 7.0
"""Seconds until silence is a fault: where it is the one that is meant, and where it is none."""
SETTINGS = ModelSettings(
    first_timeout=LONG, timeout=LONG, retries=RETRIES, patience=0.05, max_tokens=100
)
CALL: Wire = {"name": "note", "arguments": {"text": "one two three four"}}
SAID = [Reply("I look at it now.", [CALL]), Reply("Done, and all is well.")]
SILENT = [Reply("", [CALL]), SAID[1]]
BIG = "All work and no play. " * 480_000


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    fault: Fault | Callable[[str], Fault]
    """The same for all protocols, or by the protocol."""
    says: str = ""
    """What the sentence must hold; empty where the turn ends well."""
    always: bool = False
    """Every request has the fault, not only one."""
    requests: int = 2
    """How many are made where one would do without the fault."""
    told: str = ""
    """What the user is told on the way."""
    at: int | None = None
    """The request with the fault; else both are where that is mended, and the second where not."""
    replies: Sequence[Reply] = tuple(SAID)
    timeout: float = LONG

    def faults(self, fault: Fault) -> dict[int, Fault]:
        """By the number of the request."""
        if self.always:
            return dict.fromkeys(range(1, 9), fault)
        if self.at is not None:
            return {self.at: fault}
        if self.says or fault.kind == "reply":
            return {1: fault}
        return {0: fault, self.requests: fault}


def status(number: int, headers: Mapping[str, str] | None = None, **error: str) -> Fault:
    return Fault("status", number, headers or {}, body={"error": error or {"message": "not now"}})


def big(protocol: str) -> Fault:
    """10 MB of text in one answer, in pieces of 64 KB."""
    asked: Wire = {"model": "m", "messages": [], "stream_options": {"include_usage": True}}
    if protocol == "responses":
        asked = {"model": "m", "input": []}
    play = anthropic_server if protocol == "messages" else openai_server
    events = [json.loads(e.partition(b"data: ")[2]) for e in play.events(Reply("@"), asked, "a")
              if b"[DONE]" not in e]  # fmt: skip
    lines: list[str] = []
    for event in events:
        text = json.dumps(event)
        pieces = [BIG[at : at + 2**16] for at in range(0, len(BIG), 2**16)]
        # Only the fragment is repeated: where the whole text stands again, it stands whole.
        many = pieces if '"delta"' in text or "_delta" in text else [BIG]
        lines += [text.replace("@", piece) for piece in many] if "@" in text else [text]
    body = "".join(f"event: {json.loads(t).get('type', '')}\ndata: {t}\n\n" for t in lines)
    return Fault("reply", reply=Reply(body=body.encode()))


def started(protocol: str) -> Fault:
    """The event that begins an answer, in the middle of it."""
    message: Wire = {"id": "answer_0", "role": "assistant", "content": []}
    bodies: dict[str, Wire] = {
        "messages": {"type": "message_start", "message": message},
        "chat completions": {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
        "responses": {"type": "response.created", "response": {"output": []}},
    }
    return Fault("insert", after=3, body=bodies[protocol])


def nothing(protocol: str) -> Fault:
    """An answer that ends without any content and without a reason."""
    lines: dict[str, list[Wire]] = {
        "messages": [{"type": "message_start", "message": {"usage": {"input_tokens": 9}}}],
        "chat completions": [{"choices": []}, {"choices": []}],
        "responses": [{"type": "response.created", "response": {"output": []}}],
    }
    text = "".join(
        f"event: {line.get('type', '')}\ndata: {json.dumps(line)}\n\n" for line in lines[protocol]
    )
    return Fault("reply", reply=Reply(body=text.encode()))


def of_type(content_type: str) -> Callable[[str], Fault]:
    """The right answer, under a wrong content type."""

    def fault(protocol: str) -> Fault:
        return Fault("reply", reply=replace(SAID[1], content_type=content_type))

    return fault


HOUR = {"retry-after": "3600"}
DATE = {"retry-after": formatdate(time.time() + 3600, usegmt=True)}
LIMIT = r"over its rate limit or out of credit \(429\)"
LINES = {
    "429, retry-after in seconds": Line(status(429, {"retry-after": "0.02"}), told="rate limited"),
    "429, retry-after-ms": Line(status(429, {"retry-after-ms": "20"}), told=r"again in 0\.02 s"),
    "429, retry-after an HTTP date": Line(status(429, DATE), told=r"it asks for \d{4} s"),
    "429, retry-after an hour": Line(
        status(429, HOUR), told=r"rate limited \(it asks for 3600 s\), again in 0\.05 s"
    ),
    "429, retry-after is nonsense": Line(status(429, {"retry-after": "soon, -1"})),
    "429 without retry-after": Line(status(429)),
    "429 for ever": Line(status(429), LIMIT + r", after 3 tries: not now\.$", True, 3),
    "429 for ever, an hour": Line(status(429, HOUR), "and asks for 3600 seconds", True, 3),
    "429, no credit": Line(
        status(429, code="insufficient_quota", message="Pay."), LIMIT + ": Pay", requests=1
    ),
    "408": Line(status(408), told=r"the server failed \(408\), again in"),
    "409": Line(status(409)),
    "500": Line(status(500)),
    "500 for ever": Line(status(500), r"fails \(500\), after 3 tries: not now\.$", True, 3),
    "500, and no use in trying": Line(status(500, {"x-should-retry": "false"}), "500", requests=1),
    "503": Line(status(503), told="overloaded"),
    "529": Line(status(529), told="overloaded"),
    "529 for ever": Line(status(529), r"fails \(529\), after 3 tries", True, 3),
    "400": Line(status(400), r"refused the request \(400\): not now\.$", requests=1),
    "a key that is refused": Line(
        status(401, message=f"Incorrect API key provided: {KEY}"), "refused the key", requests=1
    ),
    "reset before": Line(Fault("reset"), told="did not come, again in"),
    "reset before, for ever": Line(Fault("reset"), "broke off|reached", True, 3),
    "reset inside, nothing shown": Line(Fault("reset", after=1)),
    "reset inside, text shown": Line(
        Fault("reset", after=5), "broke off in the middle", requests=1
    ),
    "silence before the headers": Line(Fault("mute"), timeout=BRIEF),
    "silence before the first byte": Line(Fault("silence"), timeout=BRIEF),
    "silence before, for ever": Line(
        Fault("mute"), r"sent nothing for 0\.9 seconds, after 3 tries\.$", True, 3, timeout=BRIEF
    ),
    "silence between bytes": Line(
        Fault("silence", after=5), r"sent nothing for 0\.9 seconds\.$", requests=1, timeout=BRIEF
    ),
    "cut inside tool JSON": Line(Fault("cut", after=4), at=0, replies=SILENT),
    "reset inside tool JSON": Line(Fault("reset", after=4), at=0, replies=SILENT),
    "cut inside tool JSON, text shown": Line(
        Fault("cut", after=8), "gave no whole answer: the stream ended too early", requests=1, at=0
    ),
    "the first event twice": Line(Fault("again"), requests=1),
    "the first event again, later": Line(started, requests=1),
    "an event of an unknown kind": Line(Fault("insert", after=3, body={"type": "?"}), requests=1),
    "empty choices in between": Line(
        Fault("insert", after=3, body={"type": "ping", "choices": []}), requests=1
    ),
    "nothing but empty choices": Line(nothing, told="did not come"),
    "nothing, for ever": Line(nothing, "gave no whole answer.*, after 3 tries", True, 3),
    "no JSON": Line(Fault("garbage")),
    "a web page": Line(of_type("text/html"), "it sent a web page: check the address", True, 3),
    "events called JSON": Line(of_type("application/json"), "no JSON", True, 3),
    "events called text": Line(of_type("text/plain"), requests=1),
    "10 MB of text": Line(big, requests=1),
    "an event without an end": Line(Fault("flood"), "it sent more than 16 MB a line", requests=1),
}
"""By what goes wrong."""


def opened(protocol: str, server: ModelServer, settings: ModelSettings) -> OpenModel:
    if protocol == "messages":
        endpoint = Endpoint(server.url, "SOME_KEY")
        return AnthropicModel("claude-sonnet-4-5", KEY, settings, endpoint)
    endpoint = Endpoint(server.url + "/v1", "SOME_KEY", prices="openai")
    kind = ResponsesModel if protocol == "responses" else OpenAIModel
    return kind("openai:gpt-5", endpoint, KEY, settings)


class Turn:
    """One turn of the agent with one tool, which counts how often it ran."""

    def __init__(self, folder: Path, model: Model) -> None:
        self.heard: list[Event | Observation] = []
        self.ran = 0
        self.sentence = ""

        async def note(context: Context, text: str) -> str:
            """Note something."""
            self.ran += 1
            return "noted"

        tool = Tool(note, "read", "")
        # Nothing runs in a sandbox here, so none is opened.
        context = Context(cast("Sandbox", None), folder)
        agent = Agent(model, (tool,), context, mode="auto")
        self.store = Store(folder / "e.sqlite")
        self.talk = Conversation(agent, self.store, begin(agent, self.store), self.heard.append)

    async def run(self) -> str:
        try:
            stop = await self.talk.ask("Note it.")
        except ModelError as error:
            self.sentence, stop = str(error), "error"
        on_disk = self.store.episode(self.talk.episode.id)
        assert KEY not in repr(on_disk)
        assert KEY not in repr(self.heard)
        self.store.close()
        return stop

    @property
    def told(self) -> str:
        return " / ".join(event.text for event in self.heard if isinstance(event, Retry))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", LINES)
async def test_fault(
    name: str, protocol: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    line = LINES[name]
    fault = line.fault if isinstance(line.fault, Fault) else line.fault(protocol)
    play = anthropic_server if protocol == "messages" else openai_server
    settings = replace(SETTINGS, timeout=line.timeout, first_timeout=line.timeout)
    with ModelServer(play.events, line.replies, line.faults(fault)) as server:
        model = opened(protocol, server, settings)
        turn = Turn(tmp_path, model)
        began = time.monotonic()
        try:
            stop = await turn.run()
        finally:
            await model.close()
        assert time.monotonic() - began < 30
        record_property("fault", (name, protocol, check(line, turn, stop, len(server.requests))))


def check(line: Line, turn: Turn, stop: str, requests: int) -> str:
    """What is promised, and a word for the table."""
    said = [m["content"] for m in turn.talk.episode.messages if m["role"] == "assistant"]
    assert re.search(line.told, turn.told), turn.told
    assert KEY not in turn.sentence
    if line.says:
        assert stop == "error"
        assert re.search(line.says, turn.sentence), turn.sentence
        assert "\n" not in turn.sentence
        before = 0 if line.at == 0 else 1
        assert (turn.ran, requests) == (before, before + line.requests)
        return f"a sentence, {line.requests} tried"
    assert (stop, turn.sentence, turn.ran) == ("end", "", 1)
    assert said[-1] in (BIG, SAID[1].text)
    both = isinstance(line.fault, Fault) and line.at is None
    assert requests == (2 * line.requests if both else 1 + line.requests)
    return f"the answer, {line.requests} tried"
