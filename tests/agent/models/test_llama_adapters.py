"""Several adapters beside one model: what is in use decides, and nothing is left of what was."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent.message import user
from agent.model import answer
from agent.models.llama import LlamaModel
from agent.models.llama_runtime import LlamaRuntime
from agent.models.settings import ModelSettings
from benchmarks.adapter_swap import Watched
from sandbox.refused import Refused

SETTINGS = ModelSettings(max_tokens=24, threads=1, context=256)
PROMPT = list(b"Fix the test in add.py.")
FRESH = """
import sys
from pathlib import Path
from benchmarks.adapter_swap import Watched, ModelSettings
settings = ModelSettings(max_tokens=24, threads=1, context=256)
model = Watched(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None, settings=settings)
sys.stdout.buffer.write(model.logits(list(b"Fix the test in add.py."), 12).tobytes())
"""


def fresh(gguf: Path, adapter: Path | None) -> bytes:
    """Twelve logits of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(gguf), str(adapter or "")],
        capture_output=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[3],
    )
    return done.stdout


async def test_after_a_change_answers_are_those_of_a_fresh_process(
    random_gguf: Path, adapters: list[Path]
):
    expected = {adapter: fresh(random_gguf, adapter) for adapter in (None, *adapters)}
    assert len(set(expected.values())) == 3
    model = Watched(random_gguf, settings=SETTINGS)
    files = {adapter.stem: adapter for adapter in adapters}
    model.adapt({}, load=files)
    one, two = adapters
    for chosen in (one, None, two, one, two, None):
        model.adapt({chosen.stem: 1.0} if chosen else {})
        assert model.logits(PROMPT, 12).tobytes() == expected[chosen]
    for chosen in (one, two, None, two):
        model.swap(random_gguf, chosen)
        assert model.logits(PROMPT, 12).tobytes() == expected[chosen]
    await model.close()


async def test_sets_and_scales(random_gguf: Path, adapters: list[Path]):
    model = Watched(random_gguf, settings=SETTINGS)
    model.adapt({}, load={"a": adapters[0], "b": adapters[1]})
    bare = model.logits(PROMPT).tobytes()
    seen = {bare}
    for scales in ({"a": 1.0}, {"a": 0.5}, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": -1.0}):
        model.adapt(scales)
        first = model.logits(PROMPT).tobytes()
        assert first not in seen
        seen.add(first)
        model.adapt({})
        assert model.logits(PROMPT).tobytes() == bare
        model.adapt(scales)
        assert model.logits(PROMPT).tobytes() == first
    model.adapt({"a": 0.0})
    assert model.logits(PROMPT).tobytes() == bare
    await model.close()


async def test_what_is_computed_is_kept_only_while_the_weights_are(
    random_gguf: Path, adapters: list[Path]
):
    model = LlamaModel(random_gguf, settings=SETTINGS)
    talk = [user("Hello")]
    length = (await answer(model, talk, [])).usage.input
    steps: list[tuple[dict[str, float], int]] = [
        ({}, length - 1),
        ({"a": 1.0}, 0),
        ({"a": 1.0}, length - 1),
        ({"a": 0.5}, 0),
        ({"a": 0.5, "b": 0.0}, length - 1),
        ({}, 0),
    ]
    model.adapt({}, load={"a": adapters[0], "b": adapters[1]})
    for scales, cached in steps:
        model.adapt(scales)
        assert (await answer(model, talk, [])).usage.cached == cached
    await model.close()


def test_the_key_is_of_contents_and_scales(random_gguf: Path, adapters: list[Path], tmp_path: Path):
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(adapters[0].read_bytes())
    with closing(LlamaRuntime(random_gguf, SETTINGS)) as runtime:
        used = runtime.adapters
        for name, path in (("a", adapters[0]), ("b", adapters[1]), ("copy", copy)):
            used.load(name, path)
        keys: list[str] = []
        for scales in ({}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}, {"a": 0.5}, {"copy": 1.0}):
            used.use(scales)
            keys.append(used.key)
        assert keys[0] == ""
        assert keys[5] == keys[1]
        assert len(set(keys)) == 5
        used.use({"b": 1, "a": 1})
        assert used.key == keys[3]


async def test_replaced_and_dropped(random_gguf: Path, adapters: list[Path]):
    model = Watched(random_gguf, adapters[0], settings=SETTINGS)
    first = model.logits(PROMPT).tobytes()
    model.adapt({"": 1.0}, load={"": adapters[1]})
    second = model.logits(PROMPT).tobytes()
    assert second != first
    model.adapt({"x": 1.0}, load={"x": adapters[0]}, drop=[""])
    assert model.logits(PROMPT).tobytes() == first
    assert list(model.adapters) == ["x"]
    # In use, and dropped all the same: the bare model is left.
    model.adapt({"x": 1.0}, drop=["x", "never was there"])
    assert model.adapters == {}
    assert model.logits(PROMPT).tobytes() not in (first, second)
    await model.close()


async def test_what_cannot_be_used_changes_nothing(
    random_gguf: Path, adapters: list[Path], tmp_path: Path
):
    half = tmp_path / "half.gguf"
    half.write_bytes(adapters[1].read_bytes()[:700])
    model = Watched(random_gguf, adapters[0], settings=SETTINGS)
    before = model.logits(PROMPT)

    def unchanged() -> bool:
        # A token that is evaluated behind kept ones differs in the last bits from one in a batch.
        return bool(abs(model.logits(PROMPT) - before).max() < 1e-3)

    with pytest.raises(Refused, match="no adapter 'sql' in memory: load it first"):
        model.adapt({"sql": 1.0})
    for path, words in [(half, "is no adapter for"), (tmp_path / "no", "There is no file")]:
        with pytest.raises(Refused, match=words):
            model.adapt({"": 0.5}, load={"": path})
        assert unchanged()
    with pytest.raises(Refused, match="is no adapter for"):
        model.adapt({}, load={"": random_gguf})
    assert unchanged()
    await model.close()
