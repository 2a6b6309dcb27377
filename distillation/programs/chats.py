"""What the student says where nothing is to be repaired: who it is, and what it cannot do."""

import tomllib
from importlib.resources import files
from random import Random

from agent.message import assistant, system, user
from agent.prompt import system_prompt
from distillation.example import Example
from tools.registry import default_tools
from tools.tool import schema

WHO = (
    "I am a small student: I repair small Python programs through tools. Tell me that a test "
    "fails, and I find the bug and fix it. For other work use a bigger model: pull one with "
    "`assistant models pull`, or set a key."
)
CANNOT = (
    "I cannot do that: I am a small student and only repair small Python programs whose tests "
    "fail. For other work use a bigger model: pull one with `assistant models pull`, or set a key."
)
THANKS = "Gladly. Tell me when a test fails."

_SAID: dict[str, list[str]] = tomllib.loads(
    files("distillation.programs").joinpath("chats.toml").read_text(encoding="utf-8")
)


def chat(seed: int) -> Example:
    """A question that is no repair, and the answer."""
    random = Random(f"chat {seed}")
    kind, said = random.choice(
        (("who", WHO), ("asked", CANNOT), ("asked", CANNOT), ("thanked", THANKS))
    )
    text = random.choice(_SAID[kind])
    text = text.format(a=random.choice(_SAID["a"]), b=random.choice(_SAID["b"]))
    if random.random() < 0.2:
        text = text.lower()
    messages = [system(system_prompt()), user(text), assistant(said)]
    schemas = [schema(tool) for tool in default_tools()]
    return Example(f"chat/{seed}", f"chat/{seed}", messages, schemas, [False, False, True])
