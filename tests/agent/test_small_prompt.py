"""What a small local model reads before the user's first word."""

import json
import sqlite3
from pathlib import Path
from typing import Any, cast

import pytest

from agent.episode import Episode
from agent.message import system, user
from agent.prompt import system_prompt
from agent.store import Store
from agent.template import render
from tests.agent.test_template import DATA, TOKENIZER
from tools.registry import Profile, default_tools
from tools.schema import ToolSchema
from tools.tool import schema

QWEN = DATA / "chat_templates/llama.cpp/Qwen-Qwen2.5-7B-Instruct.jinja"


def schemas(profile: Profile) -> list[ToolSchema]:
    return [schema(tool) for tool in default_tools(profile)]


@pytest.mark.skipif(not TOKENIZER.is_dir(), reason="the shared data is not here")
def test_the_compact_profile_takes_less_than_1500_tokens():
    from transformers import AutoTokenizer

    tokenizer = cast("Any", AutoTokenizer).from_pretrained(str(TOKENIZER))
    text = render(
        QWEN.read_text(encoding="utf-8"),
        [system(system_prompt()), user("")],
        schemas("compact"),
        add_generation_prompt=True,
    )
    assert 500 < len(tokenizer.encode(text)) < 1500


def test_an_episode_says_which_tools_it_was_recorded_with(tmp_path: Path):
    store = Store(tmp_path / "episodes.db")
    for number, profile in enumerate(("compact", "compact", "full")):
        tools = tuple(schemas(profile))
        store.begin(Episode(str(number), "", "", "m", tools, float(number)))
        assert store.episode(str(number)).tools == tools
    store.close()
    with sqlite3.connect(tmp_path / "episodes.db") as database:
        hashes = [row[0] for row in database.execute("SELECT toolset FROM episodes ORDER BY id")]
    database.close()
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_word_in_a_schema_makes_another_hash(tmp_path: Path):
    store = Store(tmp_path / "episodes.db")
    other = json.loads(json.dumps(schemas("compact")))
    other[0]["function"]["description"] += "!"
    for name, tools in (("a", schemas("compact")), ("b", other)):
        store.begin(Episode(name, "", "", "m", tuple(tools), 0.0))
    store.close()
    with sqlite3.connect(tmp_path / "episodes.db") as database:
        assert len(set(database.execute("SELECT toolset FROM episodes"))) == 2
    database.close()
