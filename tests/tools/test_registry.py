"""What every model is shown: small, complete and always the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.registry import Profile, default_tools
from tools.tool import schema

_SHOW = (
    "import json\nfrom tools.registry import default_tools\nfrom tools.tool import schema\n"
    "print(json.dumps([schema(tool) for tool in default_tools()]))"
)


def test_the_compact_tools_are_what_students_were_trained_on() -> None:
    recorded = Path(__file__).with_name("compact.json").read_text("utf-8")
    shown = json.dumps([schema(tool) for tool in default_tools()], indent=1, ensure_ascii=False)
    assert shown == recorded.rstrip("\n")


@pytest.mark.parametrize(("profile", "most"), [("compact", 3600), ("full", 9000)])
def test_all_schemas_together_are_small(profile: Profile, most: int) -> None:
    text = json.dumps([schema(tool) for tool in default_tools(profile)])
    assert len(text) < most


def test_no_name_is_there_twice() -> None:
    for profile in ("compact", "full"):
        names = [tool.name for tool in default_tools(profile)]
        assert len(names) == len(set(names))
    full = {tool.name for tool in default_tools("full")}
    assert full > {tool.name for tool in default_tools("compact")}


def test_every_parameter_is_explained() -> None:
    for tool in (*default_tools(), *default_tools("full")):
        assert tool.description.endswith(".")
        properties = tool.parameters["properties"]
        assert isinstance(properties, dict)
        for name, value in properties.items():
            assert isinstance(value, dict)
            assert value.get("description"), (tool.name, name)
            assert "title" not in value


def test_effects() -> None:
    effects = {tool.name: tool.effect for tool in default_tools("full")}
    assert {name for name, effect in effects.items() if effect == "write"} == {
        "write_file", "edit_file", "edit_files",
    }  # fmt: skip
    assert {name for name, effect in effects.items() if effect == "run"} == {
        "shell", "start_job", "run_python", "run_tests",
    }  # fmt: skip
    for tool in default_tools("compact"):
        assert tool.effect == effects[tool.name]


def test_the_same_bytes_in_every_process() -> None:
    shown = {
        subprocess.check_output(
            [sys.executable, "-c", _SHOW],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    }
    assert len(shown) == 1


def test_importing_the_tools_does_not_load_pydantic() -> None:
    code = "import sys, tools.registry, tools.preview; print('pydantic' in sys.modules)"
    shown = subprocess.check_output([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    assert shown == b"False\n"
