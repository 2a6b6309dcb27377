"""What every model is shown: small, complete and always the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.registry import default_tools
from tools.tool import schema

_SHOW = (
    "import json\nfrom tools.registry import default_tools\nfrom tools.tool import schema\n"
    "print(json.dumps([schema(tool) for tool in default_tools()]))"
)


def test_all_schemas_together_are_small() -> None:
    text = json.dumps([schema(tool) for tool in default_tools()])
    assert len(text) < 3600


def test_every_parameter_is_explained() -> None:
    for tool in default_tools():
        assert tool.description.endswith(".")
        properties = tool.parameters["properties"]
        assert isinstance(properties, dict)
        for name, value in properties.items():
            assert isinstance(value, dict)
            assert value.get("description"), (tool.name, name)
            assert "title" not in value


def test_effects() -> None:
    effects = {tool.name: tool.effect for tool in default_tools()}
    assert effects == {
        "read_file": "read",
        "write_file": "write",
        "edit_file": "write",
        "list_files": "read",
        "search": "read",
        "shell": "run",
        "run_python": "run",
    }


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
