"""Batches over a real socket: mapped by name, resumed after a kill, failures kept apart."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.message import Message, system, user
from agent.model import ModelError
from agent.models.anthropic_batch import AnthropicBatches, parts
from agent.models.settings import Endpoint, ModelSettings
from tests.servers.batch_server import BatchServer, said
from tests.servers.model_server import Wire

MODEL = "claude-haiku-5-5"
ASKED: dict[str, list[Message]] = {
    f"task {n}/ä": [system("Backwards."), user(f"number {n}")] for n in range(5)
}


@asynccontextmanager
async def batches(server: BatchServer, folder: Path) -> AsyncGenerator[AnthropicBatches]:
    settings = ModelSettings(retries=2, max_tokens=500)
    manifest = folder / "manifest.jsonl"
    opened = AnthropicBatches(MODEL, "k", settings, manifest, Endpoint(server.url))
    opened.pauses = (0.01, 0.01)
    try:
        yield opened
    finally:
        await opened.close()


async def test_every_request_gets_its_own_reply_at_half_price(tmp_path: Path):
    with BatchServer() as server:
        async with batches(server, tmp_path) as opened:
            got = await opened.run(ASKED)
    assert list(got) == list(ASKED)
    for name, messages in ASKED.items():
        reply = got[name].reply
        assert reply
        assert reply.message["content"] == messages[-1]["content"][::-1]
        # $0.10 and $0.50 a million tokens, halved.
        assert reply.usage.cost == pytest.approx(0.0003)
    (entries,) = server.batches
    params = entries[0]["params"]
    assert "cache_control" not in str(params)
    assert "stream" not in params
    assert (params["max_tokens"], params["system"][0]["text"]) == (500, "Backwards.")
    assert server.seen["batch_0"] > 2


async def test_failures_are_kept_apart(tmp_path: Path):
    def judge(params: Wire) -> Wire:
        text = params["messages"][-1]["content"][-1]["text"]
        error = {"type": "invalid_request_error", "message": "too long"}
        return {
            "number 1": {"type": "errored", "error": {"type": "error", "error": error}},
            "number 2": {"type": "expired"},
            "number 3": {"type": "canceled"},
        }.get(text, said(params))

    with BatchServer(judge) as server:
        async with batches(server, tmp_path) as opened:
            got = list((await opened.run(ASKED)).values())
    assert [outcome.reply is None for outcome in got] == [False, True, True, True, False]
    assert got[1].problem == "invalid_request_error: too long"
    assert "expired" in got[2].problem
    assert "canceled" in got[3].problem


async def test_an_answer_that_is_none_is_a_failure_of_its_request(tmp_path: Path):
    def judge(params: Wire) -> Wire:
        result = said(params)
        if "number 1" in str(params):
            result["message"]["stop_reason"] = "tired"
        return result

    with BatchServer(judge) as server:
        async with batches(server, tmp_path) as opened:
            got = await opened.run(ASKED)
    problems = [outcome.problem for outcome in got.values() if outcome.problem]
    assert problems == ["it stopped for a reason that this version does not know: tired"]


async def test_what_was_submitted_is_not_submitted_again(tmp_path: Path):
    more = ASKED | {"another": [user("one more")]}
    changed = ASKED | {"task 0/ä": [user("something else")]}
    with BatchServer() as server:
        for asked in (ASKED, ASKED, more, changed):
            async with batches(server, tmp_path) as opened:
                got = await opened.run(asked)
            assert all(outcome.reply for outcome in got.values())
    assert [len(entries) for entries in server.batches] == [5, 1, 1]


async def test_one_prompt_may_be_asked_several_times(tmp_path: Path):
    asked = {f"sample {n}": [user("same")] for n in range(3)}
    with BatchServer() as server:
        async with batches(server, tmp_path) as opened:
            assert len(await opened.run(asked)) == 3
    assert len(server.batches[0]) == 3


def test_many_requests_are_several_batches():
    entries: list[Wire] = [{"x": "a" * length} for length in (10, 10, 90, 10, 10, 10)]
    assert [len(part) for part in parts(entries, most=2)] == [2, 2, 2]
    assert [len(part) for part in parts(entries, size=60)] == [2, 1, 3]
    assert parts([]) == []


CHILD = """
import asyncio, sys
from pathlib import Path
from agent.models.anthropic_batch import AnthropicBatches
from agent.models.settings import Endpoint, ModelSettings
from tests.agent.models.test_anthropic_batch import ASKED, MODEL
settings, endpoint = ModelSettings(max_tokens=500), Endpoint(sys.argv[1])
batches = AnthropicBatches(MODEL, "k", settings, Path(sys.argv[2]), endpoint)
batches.pauses = (0.01, 0.01)
asyncio.run(batches.run(ASKED))
"""


async def test_who_was_killed_goes_on_with_the_same_batch(tmp_path: Path):
    manifest = tmp_path / "manifest.jsonl"
    with BatchServer(looks=-1) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, server.url, str(manifest)],
            cwd=Path(__file__).parents[3],
        )
        deadline = time.monotonic() + 30
        while server.seen.get("batch_0", 0) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        server.looks = 0
        # A kill may also cut off the line of a batch that was not made.
        with manifest.open("a") as file:
            file.write('{"batch": "bat')
        async with batches(server, tmp_path) as opened:
            got = await opened.run(ASKED)
            await opened.run({"new": [user("x")]})
            assert (await opened.run({"new": [user("x")]}))["new"].reply
    assert all(outcome.reply for outcome in got.values())
    assert [len(entries) for entries in server.batches] == [5, 1]


@pytest.mark.parametrize(("status", "times"), [(429, 1), (529, 2)])
async def test_a_submission_that_was_not_taken_is_made_again(
    tmp_path: Path, status: int, times: int
):
    with BatchServer(faults=[("batches", status)] * times) as server:
        async with batches(server, tmp_path) as opened:
            assert all(outcome.reply for outcome in (await opened.run(ASKED)).values())
    assert len(server.batches) == 1


async def test_a_submission_that_may_have_been_taken_is_not(tmp_path: Path):
    with BatchServer(faults=[("batches", 500)]) as server:
        async with batches(server, tmp_path) as opened:
            with pytest.raises(ModelError, match=f"anthropic:{MODEL} fails \\(500\\)"):
                await opened.run(ASKED)
        assert not server.batches
        async with batches(server, tmp_path) as opened:
            assert len(await opened.run(ASKED)) == 5


async def test_looks_and_results_are_repeated(tmp_path: Path):
    with BatchServer(faults=[("batch_0", 500), ("results", 503)]) as server:
        async with batches(server, tmp_path) as opened:
            assert len(await opened.run(ASKED)) == 5


async def test_results_that_are_not_all_there(tmp_path: Path):
    with BatchServer(cut=2) as server:
        async with batches(server, tmp_path) as opened:
            with pytest.raises(ModelError, match="2 of 5 results of batch batch_0 did not come"):
                await opened.run(ASKED)
            assert len(await opened.run(ASKED)) == 5


async def test_a_batch_that_is_another_account_s(tmp_path: Path):
    entry: Wire = {"batch": "batch_7"}
    with BatchServer() as server:
        async with batches(server, tmp_path) as opened:
            await opened.run(ASKED)
        manifest = tmp_path / "manifest.jsonl"
        entry["requests"] = json.loads(manifest.read_text())["requests"]
        manifest.write_text(json.dumps(entry))
        async with batches(server, tmp_path) as opened:
            with pytest.raises(ModelError, match="another account's; delete the file"):
                await opened.run(ASKED)
