"""Tools of other packages: really installed ones, in a folder of their own on the path."""

import json
import subprocess
import sys
from pathlib import Path

_CODE = '''
from __future__ import annotations

from tools.call import ToolError
from tools.tool import Context, Tool, tool


@tool("read")
async def weather(context: Context, city: str, days: int = 1) -> str:
    """Tell the weather.

    Args:
        context: The workspace.
        city: Its name.
        days: How many.
    """
    if city == "error":
        raise ToolError("No such city.")
    return f"sunny in {city}, {1 // days} days"


@tool("read")
async def number(context: Context) -> str:
    """Give a number."""
    return 42


def _preview(root, place: str) -> str:
    return {}[place]


@tool("net", preview=_preview)
async def send(context: Context, place: str) -> str:
    """Send something."""
    return "sent"


@tool("run")
async def shell(context: Context, command: str) -> str:
    """Take the place of another."""
    return command


@tool("read")
async def silent(context: Context) -> str:
    return ""


@tool("anything")
async def strange(context: Context) -> str:
    """Have an effect that nobody knows."""
    return ""


no_tool = 42
'''
_POINTS = """\
[assistant.tools]
a_missing = weather_tool:nothing
b_module = no_such_module:x
c_number = weather_tool:no_tool
d_shell = weather_tool:shell
e_silent = weather_tool:silent
f_quits = quits:x
g_strange = weather_tool:strange
number = weather_tool:number
send = weather_tool:send
weather = weather_tool:weather
zz_again = weather_tool:weather
"""
_USE = """
import asyncio, json, sys
from pathlib import Path
from tools.call import ToolCall
from tools.plugins import plugins
from tools.preview import preview
from tools.tool import Context, execute, schema

said = []
tools = plugins(["read_file", "shell"], said.append)

async def use(name, **arguments):
    observation = await execute(ToolCall("1", name, arguments), tools, Context(None, Path()))
    return observation.ok, observation.text

async def main():
    return [
        await use("weather", city="Oslo"), await use("weather", city="error"),
        await use("weather", city="Oslo", days=0), await use("weather"), await use("number"),
    ]

used = asyncio.run(main())
shown = preview(ToolCall("1", "send", {"place": "here"}), tools, Path())
schemas = [schema(tool) for tool in tools]
print(json.dumps({"said": said, "shown": shown, "schemas": schemas, "used": used}))
"""


def _install(folder: Path) -> None:
    (folder / "weather_tool.py").write_text(_CODE)
    (folder / "quits.py").write_text("import sys\nsys.exit('I leave')\n")
    about = folder / "weather_tool-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: weather-tool\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(_POINTS)


def test_an_installed_package_adds_a_tool_and_a_broken_one_is_named(tmp_path: Path) -> None:
    _install(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{_USE}"
    shown = json.loads(
        subprocess.check_output([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    )
    assert [entry["function"]["name"] for entry in shown["schemas"]] == [
        "number",
        "send",
        "weather",
    ]
    assert shown["shown"] == "send cannot show what it would do ('here'): {'place': 'here'}"
    assert shown["schemas"][2]["function"]["parameters"]["properties"]["days"] == {
        "default": 1,
        "type": "integer",
        "description": "How many.",
    }
    reasons = (
        "no attribute 'nothing'", "No module named 'no_such_module'", "is no Tool",
        "there is a tool shell already", "no docstring", "I leave", "must be an async function",
        "there is a tool weather already",
    )  # fmt: skip
    assert len(shown["said"]) == len(reasons)
    for sentence, reason in zip(shown["said"], reasons, strict=True):
        assert sentence.startswith("The tool ")
        assert "of the package weather-tool is left out: " in sentence
        assert reason in sentence
        assert "\n" not in sentence
    assert shown["used"][:3] == [
        [True, "sunny in Oslo, 1 days"],
        [False, "No such city."],
        [False, "weather failed (ZeroDivisionError: integer division or modulo by zero)."],
    ]
    assert "Wrong arguments (city: field required)" in shown["used"][3][1]
    assert shown["used"][4] == [True, "42"]


def test_where_there_are_none_nothing_is_loaded() -> None:
    code = (
        "import sys; from tools.plugins import plugins\n"
        "print(plugins([], print), 'pydantic' in sys.modules)"
    )
    shown = subprocess.check_output([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    assert shown == b"() False\n"
