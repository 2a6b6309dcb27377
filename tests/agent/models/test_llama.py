import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.message import Message, assistant, calls, observed, system, user
from agent.model import Event, ModelError, Reply, Text, Thinking, answer
from agent.models.llama import LlamaModel
from agent.models.llama_runtime import Cancelled
from agent.models.settings import ModelSettings
from agent.template import render
from sandbox.refused import Refused
from tests.agent.models.conftest import BASE, CONTEXT, FOR_EVER, TEMPLATE, Tell, weights, write
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

SETTINGS = ModelSettings(max_tokens=24, threads=1)
TOOLS: list[ToolSchema] = [
    {
        "type": "function",
        "function": {"name": "read_file", "description": "Read.", "parameters": {}},
    }
]
CALL = ['\n<tool_call>{"name": "read_file", ', '"arguments": {"path": ', '"ä.py"}}', "</tool_call>"]


@asynccontextmanager
async def opened(
    gguf: Path, adapter: Path | None = None, settings: ModelSettings = SETTINGS
) -> AsyncGenerator[LlamaModel]:
    model = LlamaModel(gguf, adapter, settings=settings)
    try:
        yield model
    finally:
        await model.close()


async def test_a_turn_with_a_tool(told: Tell):
    gguf = told({"\n": ["I ", "look.", *CALL], "<|after_tool|>": ["Done", " 🦆."]})
    async with opened(gguf) as model:
        heard: list[Event] = []
        history: list[Message] = [system("Be brief."), user("Look")]
        first = await answer(model, history, TOOLS, heard.append)
        call = ToolCall("call_2_0", "read_file", {"path": "ä.py"})
        assert first.message == assistant("I look.", [call])
        assert (first.stop, first.malformed, first.usage.cost) == ("calls", None, 0.0)
        assert [event for event in heard if isinstance(event, Text)] == [Text("I "), Text("look.")]
        history += [first.message, observed(Observation("call_2_0", "read_file", "text"))]
        second = await answer(model, history, TOOLS)
        assert (second.message, second.stop) == (assistant("Done 🦆."), "end")
        assert model.name == "local:told"


async def test_only_new_tokens_are_evaluated(told: Tell):
    # Stops at <|im_end|>, so the answer's own tokens are in memory as well as the prompt's.
    gguf = told({"\n": ["I ", "look."], "<|after_tool|>": ["Done."]})
    async with opened(gguf) as model:
        history: list[Message] = [system("Be brief."), user("Look")]
        before = 0
        for _ in range(6):
            reply = await answer(model, history, [])
            assert reply.usage.cached == before
            history += [reply.message, user("More")]
            # Everything up to <|im_end|>, which was chosen but never evaluated.
            before = reply.usage.input + reply.usage.output - 1
        again = await answer(model, history[:-2], [])
        assert again.usage.cached == again.usage.input - 1


async def test_reuse_changes_nothing(random_gguf: Path):
    """The answer on a kept prefix is the answer of a fresh model."""
    talks = [[user("Hello there")], [user("Hello there"), assistant("x"), user("y")], [user("He")]]
    async with opened(random_gguf) as kept:
        for talk in [*talks, *reversed(talks)]:
            async with opened(random_gguf) as fresh:
                assert await said(kept, talk) == await said(fresh, talk)


async def said(model: LlamaModel, messages: Sequence[Message] = (user("Hello"),)) -> str:
    return (await answer(model, messages, [])).message["content"]


async def test_tokens_are_those_of_the_template(random_gguf: Path):
    async with opened(random_gguf) as model:
        messages = [system("a"), user("bä"), assistant("c", [ToolCall("1", "f", {"x": 1})])]
        for prompt in (False, True):
            text = render(TEMPLATE, messages, TOOLS, add_generation_prompt=prompt)
            tokens = model.prompt_tokens(messages, TOOLS, add_generation_prompt=prompt)
            expected: list[int] = []
            for part in text.replace("<|im_", "\0<|im_").split("\0"):
                for mark, token in (("<|im_start|>", 257), ("<|im_end|>", 258)):
                    if part.startswith(mark):
                        expected.append(token)
                        part = part.removeprefix(mark)
                expected += part.encode()
            assert tokens == expected


async def test_swapping_is_the_same_as_starting_anew(random_gguf: Path, adapters: list[Path]):
    async with opened(random_gguf) as model:
        answers: dict[Path | None, str] = {}
        for adapter in (None, *adapters):
            async with opened(random_gguf, adapter) as fresh:
                answers[adapter] = await said(fresh)
        assert len(set(answers.values())) == 3
        for adapter in (None, adapters[0], adapters[1], None, adapters[1]):
            seconds = model.swap(random_gguf, adapter, name="v1")
            assert 0 <= seconds < 1
            assert await said(model) == answers[adapter]
            usage = (await answer(model, [user("Hello")], [])).usage
            assert usage.cached == usage.input - 1
        assert model.name == "local:v1"


async def test_a_swap_forgets_the_memory(random_gguf: Path, adapters: list[Path]):
    async with opened(random_gguf) as model:
        await said(model)
        model.swap(random_gguf, adapters[0])
        assert (await answer(model, [user("Hello")], [])).usage.cached == 0


async def test_swapping_the_base(random_gguf: Path, told: Tell):
    other = told({"\n": ["Told."]})
    async with opened(random_gguf) as model:
        before = await said(model)
        model.swap(other, None)
        assert (await said(model), model.name) == ("Told.", "local:told")
        model.swap(random_gguf, None)
        assert await said(model) == before


async def test_a_broken_swap_leaves_the_old_weights(
    random_gguf: Path, adapters: list[Path], tmp_path: Path
):
    half = tmp_path / "half.gguf"
    half.write_bytes(adapters[1].read_bytes()[:700])
    async with opened(random_gguf, adapters[0]) as model:
        before = await said(model)
        for gguf, adapter in [(random_gguf, half), (half, None), (random_gguf, tmp_path / "no")]:
            with pytest.raises(Refused):
                model.swap(gguf, adapter)
            assert await said(model) == before
            assert model.name == "local:random"


async def test_cancelling_stops_the_answer(told: Tell):
    settings = replace(SETTINGS, max_tokens=100_000)
    async with opened(told({"\n": ["no", FOR_EVER]}), settings=settings) as model:
        runtime = model._runtime  # pyright: ignore[reportPrivateUsage]
        heard = asyncio.Event()
        task = asyncio.create_task(answer(model, [user("x")], [], lambda event: heard.set()))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reached = len(runtime.cells)
        await asyncio.sleep(0.3)
        assert len(runtime.cells) <= reached + 1
        assert reached < CONTEXT / 2


async def test_cancelling_stops_the_reading_of_a_prompt(random_gguf: Path):
    async with opened(random_gguf) as model:
        runtime = model._runtime  # pyright: ignore[reportPrivateUsage]
        cancelled = threading.Event()
        cancelled.set()
        with pytest.raises(Cancelled):
            runtime.feed(list(range(60, 200)), cancelled)
        assert runtime.cells == []
        async with opened(random_gguf) as fresh:
            assert await said(model) == await said(fresh)


class Later(threading.Event):
    """Is set when it was asked a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("times", [1, 10, 30])
async def test_cancelling_stops_in_the_middle_of_reading(random_gguf: Path, times: int):
    async with opened(random_gguf) as model:
        runtime = model._runtime  # pyright: ignore[reportPrivateUsage]
        cancelled = Later(times)
        with pytest.raises(Cancelled):
            runtime.feed(list(range(60, 200)), cancelled)
        # It is asked at every step of the computation: none is gone through after the yes.
        assert -3 <= cancelled.left < 0
        assert runtime.cells == []
        async with opened(random_gguf) as fresh:
            assert await said(model) == await said(fresh)


async def test_closing_stops_answers(told: Tell):
    settings = replace(SETTINGS, max_tokens=100_000, context=131_072)
    model = LlamaModel(told({"\n": ["no", FOR_EVER]}), settings=settings)
    heard = asyncio.Event()
    asked = [
        asyncio.create_task(answer(model, [user("x")], [], lambda event: heard.set()))
        for _ in range(3)
    ]
    await heard.wait()
    await asyncio.wait_for(model.close(), 5)
    for task in asked:
        with pytest.raises(ModelError, match="stopped in the middle"):
            await asyncio.wait_for(task, 5)
    await model.close()
    with pytest.raises(ModelError, match="is closed: open it again"):
        await answer(model, [user("x")], [])
    with pytest.raises(RuntimeError, match="the model is closed"):
        model.prompt_tokens([user("x")], [])


async def test_answers_queue_up(random_gguf: Path):
    async with opened(random_gguf) as model:
        alone = await said(model)
        assert await asyncio.gather(*(said(model) for _ in range(3))) == [alone] * 3


async def test_length_ends_an_answer(random_gguf: Path):
    async with opened(random_gguf, settings=replace(SETTINGS, max_tokens=3)) as model:
        reply = await answer(model, [user("x")], [])
    assert (reply.stop, reply.usage.output) == ("length", 3)


async def test_the_end_of_the_context_ends_an_answer(told: Tell):
    settings = replace(SETTINGS, max_tokens=9999)
    async with opened(told({"\n": ["no", FOR_EVER]}), settings=settings) as model:
        reply = await answer(model, [user("x" * (CONTEXT - 100))], [])
    assert reply.stop == "length"
    assert reply.usage.input + reply.usage.output == CONTEXT


async def test_a_conversation_that_does_not_fit(random_gguf: Path):
    async with opened(random_gguf) as model:
        with pytest.raises(ModelError, match=f"local:random has room for {CONTEXT}"):
            await answer(model, [user("x" * CONTEXT)], [])


async def test_a_call_that_the_limit_cuts_is_malformed(told: Tell):
    settings = replace(SETTINGS, max_tokens=3)
    async with opened(told({"\n": ["Look.", *CALL]}), settings=settings) as model:
        reply = await answer(model, [user("x")], TOOLS)
    assert (reply.stop, calls(reply.message)) == ("length", [])
    assert reply.malformed
    assert reply.malformed.text == "".join(CALL[:2]).removeprefix("\n")
    assert reply.message["content"] == "Look." + reply.malformed.text


async def test_without_tools_everything_is_text(told: Tell):
    async with opened(told({"\n": CALL})) as model:
        assert await said(model) == "".join(CALL)


async def test_a_template_that_refuses(random_gguf: Path, tmp_path: Path):
    gguf = write(
        tmp_path / "strict.gguf",
        [],
        weights(len(BASE), 64, 0.1),
        "{{ raise_exception('no tools') }}",
    )
    async with opened(gguf) as model:
        with pytest.raises(ModelError, match=r"local:strict refuses this conversation: no tools\."):
            await answer(model, [user("x")], [])


async def test_temperature_and_seed(random_gguf: Path):
    def hot(seed: int) -> ModelSettings:
        return replace(SETTINGS, temperature=1.5, seed=seed)

    replies: list[Reply] = []
    for seed in (1, 1, 2):
        async with opened(random_gguf, settings=hot(seed)) as model:
            replies.append(await answer(model, [user("x")], []))
    assert replies[0] == replies[1] != replies[2]


async def test_files_that_are_refused(random_gguf: Path, tmp_path: Path):
    whole = random_gguf.read_bytes()
    plain = write(tmp_path / "plain.gguf", [], weights(len(BASE), 64, 0.1), "")
    cases = {
        tmp_path / "missing.gguf": "There is no file",
        tmp_path: "There is no file",
        plain: "no chat template",
    }
    for size in (0, 3):
        (tmp_path / f"cut{size}.gguf").write_bytes(whole[:size])
        cases[tmp_path / f"cut{size}.gguf"] = "is no GGUF file"
    for path, words in cases.items():
        with pytest.raises(Refused, match=words) as raised:
            LlamaModel(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(Refused, match="no tool format 'x'"):
        LlamaModel(random_gguf, settings=ModelSettings(tool_format="x"))


CUT = """
import sys
from pathlib import Path
from agent.models.llama import LlamaModel
from sandbox.refused import Refused
whole, path = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
for part in range(1, 40):
    path.write_bytes(whole[: max(4, len(whole) * part // 40)])
    try:
        LlamaModel(path)
    except Refused as error:
        print(error)
path.write_bytes(whole[:-1])
try:
    LlamaModel(path)
except Refused as error:
    print(error)
"""


def test_a_cut_file_is_refused_without_noise(random_gguf: Path, tmp_path: Path):
    """In a process of its own: llama.cpp writes past Python, and a wrong guess would crash it."""
    cut = tmp_path / "cut.gguf"
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(random_gguf), str(cut)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 40
    assert all(line.startswith(f"{cut} cannot be loaded") for line in lines)


async def test_thoughts_are_no_part_of_the_answer_and_their_prefix_is_kept(told: Tell):
    # A call that is only thought of: the grammar leaves it alone, and it is not carried out.
    thought = ["<think>", "Or <tool_call>", "{oops", " or not", "</think>", "  "]
    gguf = told({"\n": [*thought, "Yes", " sir."]})
    async with opened(gguf) as model:
        heard: list[Event] = []
        history: list[Message] = [system("Be brief."), user("Look")]
        first = await answer(model, history, TOOLS, heard.append)
        assert (first.message["content"], first.stop) == ("Yes sir.", "end")
        shown = "".join(event.text for event in heard if isinstance(event, Thinking))
        assert shown == "Or <tool_call>{oops or not"
        assert first.message.get("provider") == {"local": {"thoughts": "".join(thought)}}
        second = await answer(model, [*history, first.message, user("More")], TOOLS)
        assert second.usage.cached == first.usage.input + first.usage.output - 1


HOSTILE = {
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}": "to an end",
    "{% for m in messages %}{{ m.content * 10 ** 10 }}{% endfor %}": "to an end",
    "{% for m in messages %}" * 300_000: "characters, of 500000 at most",
    "{{ messages.__class__.__mro__ }}{{ cycler.__init__.__globals__ }}": "unsafe",
    "{% if %}": "Expected an expression",
    "{% include 'x' %}": "no loader",
}


@pytest.mark.parametrize("template", HOSTILE, ids=lambda template: template[:20])
async def test_a_hostile_template_is_one_sentence(template: str, tmp_path: Path):
    path = write(tmp_path / "hostile.gguf", [], weights(len(BASE), 64, 0.1), template)
    async with opened(path) as model:
        with pytest.raises(ModelError, match=HOSTILE[template]) as raised:
            await answer(model, [user("x")], TOOLS)
    assert "The chat template of local:hostile refuses" in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_vocabulary_that_ends_no_answer_is_refused(random_gguf: Path, tmp_path: Path):
    other = tmp_path / "endless.gguf"
    content = random_gguf.read_bytes().replace(b"gpt2", b"rwkv")
    for name in (b"eos_token_id", b"<|im_end|>", b"<|endoftext|>"):
        content = content.replace(name, name.swapcase())
    other.write_bytes(content)
    with pytest.raises(Refused, match="no token that ends an answer: use a model made for chat"):
        LlamaModel(other)
