import hashlib
import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from agent.message import Message, assistant, observed, system, user
from agent.models.llama_runtime import LlamaRuntime
from agent.models.settings import ModelSettings
from agent.template import render
from tests.training.material import TOOL
from tools.call import Observation, ToolCall
from training import base_gguf, student

FILES = (
    "base.gguf config.json generation_config.json model.safetensors "
    "tokenizer.json tokenizer_config.json"
)
INIT = """
import sys
from pathlib import Path
from training import student
student.init(Path(sys.argv[1]), seed=int(sys.argv[2]))
heavy = {"torch", "transformers"} & set(sys.modules)
assert not heavy, heavy
"""


def init(folder: Path, seed: int) -> dict[str, str]:
    """Make a student in a fresh process; file name to hash."""
    subprocess.run([sys.executable, "-c", INIT, str(folder), str(seed)], check=True)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_the_same_seed_makes_the_same_student_without_torch_in_a_minute(tmp_path: Path) -> None:
    began = time.monotonic()
    first = init(tmp_path / "a", 7)
    assert time.monotonic() - began < 60
    assert init(tmp_path / "b", 7) == first
    assert " ".join(first) == FILES
    other = init(tmp_path / "c", 8)
    assert other["tokenizer.json"] == first["tokenizer.json"]
    assert other["model.safetensors"] != first["model.safetensors"]
    assert sum(path.stat().st_size for path in (tmp_path / "a").iterdir()) < 5_000_000


def test_it_replaces_what_was_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "old").touch()
    (tmp_path / "student.part").mkdir()
    student.init(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["student"]
    assert not (folder / "old").exists()


def test_widths_suit_k_quants(base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    assert config["hidden_size"] % 256 == config["intermediate_size"] % 256 == 0
    assert config["max_position_embeddings"] >= 4096


CONVERSATION: list[Message] = [
    system("Be brief."),
    user("Hello."),
    assistant("I look.", [ToolCall("1", "read_file", {"path": "é <a>.py", "start": 2})]),
    observed(Observation("1", "read_file", "text")),
    assistant("", [ToolCall("2", "read_file", {"path": "a"}), ToolCall("3", "read_file", {})]),
    observed(Observation("2", "read_file", "")),
    observed(Observation("3", "read_file", "x\n")),
    assistant("Done."),
]


def test_the_template_writes_compact_chatml() -> None:
    assert render(student.template(), CONVERSATION, [TOOL], add_generation_prompt=True) == (
        "<|im_start|>system\nBe brief.\n\nTools:\nread_file(path, start?)<|im_end|>\n"
        "<|im_start|>user\nHello.<|im_end|>\n"
        "<|im_start|>assistant\nI look.\n"
        '<tool_call>{"name": "read_file", "arguments": {"path": "é <a>.py", "start": 2}}'
        "</tool_call><|im_end|>\n"
        "<|im_start|>user\n<tool_response>\ntext\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
        '<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>\n'
        '<tool_call>{"name": "read_file", "arguments": {}}</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n\n</tool_response><|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nx\n\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\nDone.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_the_template_lists_tools_without_a_system_message() -> None:
    text = render(student.template(), [user("Hi")], [TOOL], add_generation_prompt=False)
    assert text == (
        "<|im_start|>system\nTools:\nread_file(path, start?)<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n"
    )
    plain = render(student.template(), [user("Hi")], [], add_generation_prompt=False)
    assert plain == "<|im_start|>user\nHi<|im_end|>\n"


def test_every_beginning_is_the_beginning_of_the_text() -> None:
    texts = [
        render(student.template(), CONVERSATION[:n], [TOOL], add_generation_prompt=False)
        for n in range(1, len(CONVERSATION) + 1)
    ]
    for shorter, longer in itertools.pairwise(texts):
        assert longer.startswith(shorter)


def test_a_recommended_temperature_is_what_llama_samples_at(base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(base, tmp_path / "warm")
    path = folder / "generation_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    found: list[float] = []
    for temperature in (None, 0.4, 900.0):
        path.write_text(json.dumps(config | {"temperature": temperature}), encoding="utf-8")
        base_gguf.write(folder, folder / "base.gguf")
        runtime = LlamaRuntime(folder / "base.gguf", ModelSettings(context=256))
        found.append(round(runtime.temperature, 3))
        runtime.close()
    assert found == [0.0, 0.4, 0.0]
