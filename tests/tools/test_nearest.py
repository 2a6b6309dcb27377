"""What is said of a file that is not there."""

import pytest

from tests.tools.calling import Call
from tools.nearest import nearest
from tools.tool import Context


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("steam.py", "lake/steam.py, test_steam.py, other.md"),
        ("lake/test_steam.py", "test_steam.py, lake/steam.py, other.md"),
        ("src/lake/steam.py", "lake/steam.py, test_steam.py, other.md"),
        ("othr.md", "other.md, lake/steam.py, test_steam.py"),
    ],
)
async def test_the_nearest_files_are_named(
    context: Context, call: Call, path: str, near: str
) -> None:
    (context.root / "lake").mkdir()
    for name in ("lake/steam.py", "test_steam.py", "other.md", "x", "yy"):
        (context.root / name).touch()
    observation = await call("read_file", path=path)
    assert observation.text == f"There is no file {path}. Near it: {near}. list_files shows all."


async def test_where_nothing_is_there_is_nothing_near(call: Call) -> None:
    text = "There is no file a.py. list_files shows what there is."
    assert (await call("read_file", path="a.py")).text == text


async def test_among_many_only_the_same_name_counts(context: Context) -> None:
    for folder, name in (("lake", "a.py"), ("", "ab.py")):
        (context.root / folder).mkdir(exist_ok=True)
        (context.root / folder / name).touch()
    for number in range(5000):
        (context.root / f"{number}.py").touch()
    assert await nearest(context, "a.py") == ["lake/a.py"]
    assert await nearest(context, "b.py") == []


async def test_of_a_path_as_long_as_can_be_the_name_counts(context: Context, call: Call) -> None:
    (context.root / "x.py").touch()
    assert "Near it: x.py." in (await call("read_file", path="a/" * 2000 + "x.py")).text
