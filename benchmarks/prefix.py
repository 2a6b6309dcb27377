"""How much of a 30-step episode's prompts is evaluated more than once.

Run as `python -m benchmarks.prefix [STEPS]`. The episode is real: real tools work in a real
sandbox, and only what the model says comes from a script. The untrained student evaluates its
prompts and each token of its answers as ever, but which token comes next is told; in a second run
its process ends in the middle and another one goes on. Claude and GPT are local servers with the
providers' rules for caches. Ends with 1 if the student evaluates more than 1.05 tokens for each
new one, if a request does not begin with the one before it, or if a provider reads less than
0.95 of its prompts from the cache after the second step.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from agent.agent import Agent
from agent.conversation import Conversation, begin
from agent.limits import EpisodeLimits
from agent.model import Model, Usage
from agent.models.anthropic import AnthropicModel
from agent.models.llama import LlamaModel
from agent.models.llama_runtime import Choose, LlamaRuntime
from agent.models.llama_state import States
from agent.models.openai import OpenAIModel
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from agent.store import Store
from sandbox.backend import open_sandbox
from tests.servers import anthropic_cache, openai_cache
from tests.servers.model_server import Events, ModelServer, Reply, Wire
from tools.registry import default_tools
from tools.tool import Context
from training import student

MOST, LEAST = 1.05, 0.95
_LINES = 60
_FILE = "".join(f"def f{n}(x):\n    return x + {n}\n\n\n" for n in range(_LINES))


@dataclass(frozen=True)
class Move:
    """What the script has the model say, and the call that goes with it; the last one has none."""

    text: str
    tool: str = ""
    arguments: dict[str, str | int] | None = None

    @property
    def spelled(self) -> str:
        """As the student writes it."""
        call = {"name": self.tool, "arguments": self.arguments}
        return f"{self.text}\n<tool_call>{json.dumps(call)}</tool_call>" if self.tool else self.text

    @property
    def reply(self) -> Reply:
        """As a provider sends it, with some thinking before it."""
        made = [{"name": self.tool, "arguments": self.arguments}] if self.tool else []
        return Reply(self.text, made, thinking="Hm.")


def script(steps: int) -> list[Move]:
    """Reads, edits, commands and searches in turns; the last step is an answer in words."""
    moves = [Move("I look around.", "list_files", {"path": "."})]
    for n in range(steps):
        at, name = 4 * n % (4 * _LINES - 12) + 1, "a.py"
        read = {"path": name, "start": at, "end": at + 9}
        moves += [
            Move(f"I read on from {at}.", "read_file", read),
            Move("I change it.", "edit_file", {"path": name, "old": f"+ {n}\n", "new": "- 1\n"}),
            Move("I try it.", "shell", {"command": f"python -c 'import a; print(a.f{n}(1))'"}),
            Move("I look for it.", "search", {"pattern": "x - 1$"}),
        ]
    return [*moves[: steps - 1], Move("Done.")]


class ToldRuntime(LlamaRuntime):
    """llama.cpp as ever, but for which token comes next."""

    moves: Iterator[Move] = iter(())

    @contextmanager
    def chooser(self, temperature: float, seed: int) -> Generator[Choose]:
        """Choose what the next move says."""
        spelled = self.vocabulary.tokens(next(self.moves).spelled, start=False)
        told = iter([*spelled, self.vocabulary.end])
        yield lambda judge: next(told)


class Told(LlamaModel):
    """The student, saying what it is told. No grammar: a script needs none."""

    held = False

    def __init__(self, gguf: Path, moves: Iterator[Move], states: States) -> None:
        """Say `moves`, one for each request."""
        self._moves = moves
        super().__init__(gguf, settings=ModelSettings(context=32_768))
        self.states = states

    def _open(self, gguf: Path, adapter: Path | None) -> LlamaRuntime:
        runtime = ToldRuntime(gguf, self._settings)
        runtime.moves = self._moves
        return runtime


@asynccontextmanager
async def workplace() -> AsyncGenerator[tuple[Context, Store]]:
    """A folder with a program, a sandbox on it, and a store."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "work"
        root.mkdir()
        (root / "a.py").write_text(_FILE)
        store = Store(Path(folder) / "episodes.db")
        sandbox = await open_sandbox(root)
        try:
            yield Context(sandbox, root), store
        finally:
            await sandbox.close()
            store.close()


def conversation(model: Model, context: Context, store: Store) -> Conversation:
    """A new one."""
    agent = Agent(model, default_tools("full"), context, mode="auto")
    limits = EpisodeLimits(steps=1000)
    return Conversation(agent, store, begin(agent, store), limits=limits)


def usages(talk: Conversation) -> list[Usage]:
    """What each request used."""
    return [step.usage for step in talk.episode.steps if step.usage.input]


async def local(gguf: Path, steps: int, cut: int) -> list[Usage]:
    """What the student used; after step `cut` its process ends, and another one goes on."""
    moves = script(steps)
    async with workplace() as (context, store):
        states = States(context.root.parent / "states")
        said = [*moves[: cut - 1], Move("So far.")] if cut else moves
        first = Told(gguf, iter(said), states)
        talk = conversation(first, context, store)
        await talk.ask("Change each function so that it subtracts.")
        await first.close()
        if cut:
            second = Told(gguf, iter(moves[cut:]), states)
            agent = replace(talk.agent, model=second)
            talk = Conversation(agent, store, talk.episode, limits=talk.limits)
            await talk.ask("Go on.")
            await second.close()
        return usages(talk)


async def remote(
    events: Events, opened: Callable[[str], Any], steps: int
) -> tuple[list[Usage], list[Wire]]:
    """What a provider's server counted, and the requests that it got."""
    replies = [move.reply for move in script(steps)]
    with ModelServer(events, replies) as server:
        model = opened(server.url)
        async with workplace() as (context, store):
            talk = conversation(model, context, store)
            await talk.ask("Change each function so that it subtracts.")
            await model.close()
            return usages(talk), server.requests


def rendered(request: Wire) -> list[str]:
    """The parts of a request that a provider renders, in their order, without marks for caches."""
    parts: list[Any] = [*request.get("tools", []), request.get("system")]
    for message in request.get("messages") or request["input"]:
        content: Any = message.get("content")
        blocks = cast("list[Any]", content) if isinstance(content, list) else [message]
        parts += [[message.get("role"), block] for block in blocks]
    return [_plain(part) for part in parts]


def _plain(part: object) -> str:
    def unmarked(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return {name: value for name, value in pairs if name != "cache_control"}

    return json.dumps(json.loads(json.dumps(part), object_pairs_hook=unmarked))


def kept(requests: Sequence[Wire]) -> int:
    """How many requests begin with all of the one before them."""
    pairs = pairwise(rendered(request) for request in requests)
    return sum(later[: len(earlier)] == earlier for earlier, later in pairs)


def ratio(used: Sequence[Usage]) -> float:
    """Tokens that were evaluated, to those of the whole conversation."""
    evaluated = sum(usage.evaluated + usage.output for usage in used)
    return evaluated / (used[-1].input + used[-1].output)


def share(used: Sequence[Usage]) -> float:
    """The part of all prompts after the second step that came from a cache."""
    return sum(used[2:], Usage()).reused


PROVIDERS: dict[str, tuple[Callable[[], Events], Callable[[str], Any]]] = {
    "Claude": (
        lambda: anthropic_cache.caching(anthropic_cache.PromptCache()),
        lambda url: AnthropicModel("claude-x", "k", ModelSettings(), Endpoint(url)),
    ),
    "GPT, Responses": (
        lambda: openai_cache.caching(openai_cache.PrefixCache()),
        lambda url: ResponsesModel("gpt:x", Endpoint(f"{url}/v1"), "k", ModelSettings()),
    ),
    "GPT, Chat Completions": (
        lambda: openai_cache.caching(openai_cache.PrefixCache()),
        lambda url: OpenAIModel("gpt:x", Endpoint(f"{url}/v1"), "k", ModelSettings()),
    ),
}


async def main() -> int:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    fine = True
    print(f"{'':<24}{'steps':>6}{'tokens':>9}{'evaluated/new':>15}{'from cache':>12}{'kept':>8}")
    with tempfile.TemporaryDirectory() as folder:
        student.init(Path(folder) / "student")
        gguf = Path(folder) / "student/base.gguf"
        for name, cut in (("student", 0), ("student, resumed", steps // 2)):
            used = await local(gguf, steps, cut)
            fine &= len(used) == steps and ratio(used) <= MOST
            print(f"{name:<24}{len(used):>6}{used[-1].input:>9,}{ratio(used):>15.3f}", flush=True)
    for name, (events, opened) in PROVIDERS.items():
        used, requests = await remote(events(), opened, steps)
        fine &= len(used) == steps and share(used) >= LEAST and kept(requests) == steps - 1
        told = f"{share(used):>12.3f}{kept(requests):>5}/{len(requests) - 1}"
        print(f"{name:<24}{len(used):>6}{used[-1].input:>9,}{'':>15}{told}", flush=True)
    print(f"{'wanted':<24}{steps:>6}{'':>9}{f'<= {MOST}':>15}{f'>= {LEAST}':>12}{'all':>8}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
