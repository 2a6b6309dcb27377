"""What the tests of training work on."""

import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.message import Message, assistant, observed, system, user
from distillation.example import Example
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema
from training.encode import Rows
from training.export import Export
from training.fidelity import Fidelity
from training.recipe import Recipe
from training.stage import News

DATA = Path(__file__).resolve().parents[2].parent / "shared/data"
"""Public test data, where it is present."""
RECIPE = Recipe(steps=20, evaluations=4, rank=8)
TOOL: ToolSchema = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a file.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "start": {"type": "integer"}},
            "required": ["path"],
        },
    },
}


def make_example(seed: int) -> Example:
    """An episode like those that are recorded, a little different for each seed."""
    name = random.Random(seed).choice(["alpha", "beta", "gamma", "délta"])
    call = ToolCall("c12345678", "read_file", {"path": f"{name}.py"})
    messages: list[Message] = [
        system("You repair programs."),
        user(f"Fix {name}.py: it returns {seed}."),
        assistant("I look at it.", [call]),
        observed(Observation("c12345678", "read_file", f"def {name}():\n    return {seed}\n")),
        assistant(f"I fixed {name} — it returns {seed + 1} now. 🎉"),
    ]
    flags = [message["role"] == "assistant" for message in messages]
    return Example(f"episode-{seed}", f"task-{seed}", messages, [TOOL], flags)


def lora_job(base: Path, rows: Rows, out: Path, recipe: Recipe = RECIPE) -> dict[str, Any]:
    """A job of `training.lora`."""
    return {
        "base": str(base),
        "rows": str(rows.folder),
        "out": str(out),
        "recipe": asdict(recipe),
    }


@dataclass(frozen=True)
class Trained:
    """A finished QLoRA run."""

    adapter: Path
    news: list[News]


@dataclass(frozen=True)
class Exported:
    """The GGUF files of a trained adapter, and how near they are."""

    export: Export
    fidelity: dict[str, Fidelity]
