"""Files by their names."""

import pytest

from tests.tools.calling import Call
from tools.tool import Context


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("*.py", ".", ["odd [x]/q.py", "src/a/x.py", "src/y.py", "z.py"]),
        ("src/*.py", ".", ["src/y.py"]),
        ("./src/**", ".", ["src/a/x.py", "src/y.py"]),
        ("/workspace/src/*.py", ".", ["src/y.py"]),
        ("a/*", "src", ["src/a/x.py"]),
        ("a/*", "/workspace/src/", ["src/a/x.py"]),
        ("**/a/*", ".", ["src/a/x.py"]),
        ("./*.py", "odd [x]", ["odd [x]/q.py"]),
        ("*.{py,yml}", "src", ["src/a/x.py", "src/y.py"]),
        ("*.yml", ".", [".hidden/ci.yml"]),
        ("*.log", ".", ["[no files in . fit *.log]"]),
        ("config", ".", ["[no files in . fit config]"]),
        ("-*", ".", ["-dash"]),
        ("new*", ".", ["new\\nline"]),
    ],
)
async def test_patterns(
    context: Context, call: Call, pattern: str, path: str, found: list[str]
) -> None:
    for name in (
        "src/a/x.py", "src/y.py", "z.py", "odd [x]/q.py", ".hidden/ci.yml", "ignored/n.py",
        "src/noise.log", ".git/config", "-dash", "new\nline",
    ):  # fmt: skip
        (context.root / name).parent.mkdir(parents=True, exist_ok=True)
        (context.root / name).touch()
    (context.root / ".gitignore").write_text("ignored\n*.log\n")
    observation = await call("glob", pattern=pattern, path=path)
    assert (observation.ok, observation.text.splitlines()) == (True, found)


async def test_what_does_not_work_is_told(context: Context, call: Call) -> None:
    assert "There is no file nowhere" in (await call("glob", pattern="*", path="nowhere")).text
    assert not (await call("glob", pattern="a{b")).ok
    assert not (await call("glob", pattern="a\0b")).ok


async def test_a_long_list_is_cut(context: Context, call: Call) -> None:
    for number in range(2000):
        (context.root / f"{number:04}").touch()
    observation = await call("glob", pattern="*")
    assert observation.truncated
    assert observation.text.startswith("0000\n0001\n")
    assert "use a narrower pattern" in observation.text
