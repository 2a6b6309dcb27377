"""Packages that only pass names on are loaded name by name."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.models.reexports import lazily, sources

SDK = """
import sys
from agent.models.reexports import lazily
with lazily("openai.types"):
    import openai
few = sum(name.startswith("openai.types") for name in sys.modules)
from openai.types.chat import ChatCompletion
from openai.types import responses, Model
whole = {"id": "1", "choices": [], "created": 1, "model": "m", "object": "chat.completion"}
assert ChatCompletion.model_validate(whole).id == "1"
assert responses.Response.__module__ == "openai.types.responses.response"
assert openai.types.Model is Model and not hasattr(openai.types, "Nothing")
assert len(sys.meta_path) == int(sys.argv[1])
print(few, sum(name.startswith("openai.types") for name in sys.modules))
"""


def test_the_sdk_loads_few_of_its_types_and_has_them_all() -> None:
    count = subprocess.check_output([sys.executable, "-c", "import sys; print(len(sys.meta_path))"])
    root = Path(__file__).parents[3]
    command = [sys.executable, "-W", "error", "-c", SDK, count.decode().strip()]
    few, many = map(int, subprocess.check_output(command, cwd=root).split())
    assert few < 100 < many


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""Doc."""\nfrom __future__ import annotations\nfrom .a import B as C, D\n',
         {"C": (".a", "B"), "D": (".a", "D")}),
        ("from . import a as a\n", {"a": (".a", "")}),
        ("from .a.b import c\n", {"c": (".a.b", "c")}),
        ("from .a import *\n", None),
        ("from .a import a\n", None),
        ("from .a import b\nb.work()\n", None),
        ("import os\n", None),
    ],
)  # fmt: skip
def test_what_an_init_passes_on(text: str, expected: object) -> None:
    assert sources(text) == expected


def test_a_package_that_does_more_is_loaded_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "lazy_outer/__init__": "from .part import THING\n",
        "lazy_outer/part": "THING = 1\n",
        "lazy_outer/inner/__init__": "from .part import THING\nOTHER = THING + 1\n",
        "lazy_outer/inner/part": "THING = 2\n",
    }.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with lazily("lazy_outer"):
        import lazy_outer.inner  # pyright: ignore[reportMissingImports]
    assert "lazy_outer.part" not in sys.modules
    assert lazy_outer.inner.OTHER == 3
    names: dict[str, object] = {}
    exec("from lazy_outer import *", names)
    assert names["THING"] == 1
