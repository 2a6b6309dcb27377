"""What the installed packages say of themselves, without running any of them."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from sandbox.landlock import missing
from sandbox.lent.manual import found
from sandbox.lent.sources import places, resolved
from sandbox.limits import Limits
from tests.tools.live import live, use
from tools.docs import docs, search
from tools.tool import Context

_LENT = Path(__file__).parents[2] / "sandbox/lent"
_CLIENT = '''
"""Talking to the warehouse."""
import typing

LIMIT: int = 7

class Base:
    def close(self):
        """Let go of the line."""

class Client(Base):
    """A line to the warehouse.

    It has to be closed.
    """

    def __init__(self, host: str, *, retries: int = 3) -> None:
        """Not yet connected."""

    @typing.overload
    def order(self, item: str) -> None: ...
    def order(self, item, count=1):
        """Order some items from the warehouse.

        More about ordering.
        """

    def _hidden(self):
        """Order nothing at all."""
'''


@pytest.fixture
def python(tmp_path: Path) -> str:
    packages = tmp_path / "venv/lib/python3.11/site-packages"
    (packages / "acme/_impl").mkdir(parents=True)
    (packages / "acme/__init__.py").write_text(
        '"""The warehouse."""\nfrom ._impl import *\nfrom ._impl.client import Client as Line\n'
        "from . import _impl as parts\nimport acme._impl.client as client_module\n"
        "from .circle import round_trip\n"
    )
    (packages / "acme/circle.py").write_text("from . import round_trip\n")
    (packages / "acme/_impl/__init__.py").write_text("from .client import Client, LIMIT\n")
    (packages / "acme/_impl/client.py").write_text(_CLIENT)
    (packages / "acme/broken.py").write_text("def order(:\n")
    (packages / "acme/stubbed.pyi").write_text("def fast(n: int) -> int: ...\n")
    (packages / "acme-2.0.dist-info").mkdir()
    (packages / "acme-2.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme-store\nVersion: 2.0\n"
        "Summary: Buys and sells anvils.\n\n# Acme\n\nAll about anvils.\n"
    )
    return str(tmp_path / "venv/bin/python")


@pytest.mark.parametrize(
    ("query", "title", "line"),
    [
        ("acme.Client", "acme._impl.client.Client(host: str, *, retries: int=3) -> None", 11),
        ("acme.Line.order", "acme._impl.client.Client.order(item, count=1)", 22),
        ("acme.Client.close", "acme._impl.client.Base.close()", 8),
        ("acme.parts.client.Client.order", "acme._impl.client.Client.order(item, count=1)", 22),
        ("acme.client_module.LIMIT", "acme._impl.client.LIMIT = 7", 5),
        ("acme.LIMIT", "acme._impl.client.LIMIT = 7", 5),
        ("acme", "acme (module)", 1),
        ("acme.stubbed.fast", "acme.stubbed.fast(n: int) -> int", 1),
        ("json.dumps", "json.dumps(", 0),
        ("os.path.join", "posixpath.join(a, *p)", 0),
    ],
)
def test_a_full_name_is_found_through_all_imports(
    python: str, query: str, title: str, line: int
) -> None:
    found = resolved(places(python), query)
    assert found
    assert found.title.startswith(title)
    assert not line or found.place.endswith(f":{line}")


@pytest.mark.parametrize("query", ["acme.nothing", "acme.round_trip", "nope", "acme.broken.order"])
def test_what_is_not_there_is_not_found(python: str, query: str) -> None:
    assert resolved(places(python), query) is None


def _ask(python: str, query: str) -> str:
    return subprocess.check_output(search(sys.executable, str(_LENT), python, query), text=True)


def test_words_find_the_best_first(python: str) -> None:
    own = places(python)[:1]
    best = found(own, ["ordering", "items", "from", "the", "warehouse"])
    assert best[0].title == "acme._impl.client.Client.order(item, count=1)"
    assert best[0].place.endswith("client.py:22")
    assert best[-1].name.endswith(("_hidden", "acme", "client", "close", "Client"))
    assert found(own, ["anvils"])[0].title == "acme-store 2.0 (package)"
    shown = _ask(python, "temporary directory")
    assert shown.startswith("tempfile.TemporaryDirectory(")
    assert "\n  Create and return a temporary directory." in shown


def test_one_answer_is_shown_whole(python: str) -> None:
    shown = _ask(python, "acme.Client")
    assert "A line to the warehouse.\n\nIt has to be closed.\n" in shown
    assert "order(item, count=1): Order some items from the warehouse." in shown
    assert "_hidden" not in shown


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("str.join", "str.join(self, iterable, /)\nwritten in C\n\nConcatenate any number"),
        ("math.sqrt()", "math.sqrt(x, /)\n"),
        ("print", "print(*args"),
    ],
)
def test_what_is_written_in_c(python: str, query: str, text: str) -> None:
    assert _ask(python, query).startswith(text)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Context]:
    async with live(tmp_path / "live", Limits()) as context:
        yield context


async def test_in_the_sandbox_and_nothing_of_the_workspace_runs(place: Context) -> None:
    for name in ("sitecustomize", "json", "ast", "usercustomize", "tempfile"):
        (place.root / f"{name}.py").write_text("open('ran', 'w')\n")
    observation = await use(place, docs, query="json.dumps")
    assert observation.ok
    assert observation.text.startswith("json.dumps(obj, *, skipkeys=False,")
    assert "Serialize ``obj`` to a JSON formatted ``str``." in observation.text
    assert not (place.root / "ran").exists()


async def test_where_nothing_above_our_scripts_is_seen(tmp_path: Path) -> None:
    if missing():
        pytest.skip("no Landlock here")
    sandbox = await open_sandbox(tmp_path, backend="landlock")
    observation = await use(Context(sandbox, tmp_path), docs, query="os.path.join")
    assert observation.text.startswith("posixpath.join(a, *p)")
    await sandbox.close()


async def test_odd_queries(place: Context) -> None:
    for query in ("", " ", "a\0", "x" * 2000):
        assert not (await use(place, docs, query=query)).ok
    nothing = await use(place, docs, query="zzqqxyzzy")
    assert nothing.text.startswith("[nothing about zzqqxyzzy in the installed packages")
    assert (await use(place, docs, query="-- ; $(ls) ü")).ok
