"""Finding, running and reading tests. The recorded outputs are those of real runs, but for go's."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.call import JSON, Observation, ToolCall
from tools.reports import read
from tools.run_tests import run_tests
from tools.runners import Runner, runners
from tools.tool import Context, execute

_RUNS = Path(__file__).with_name("testruns")
_SEEN = {
    "pytest": (
        "5 failed, 2 passed, 1 skipped, 1 xfailed, 1 error",
        [
            ("ERROR at setup of test_fixture", "tests/test_calc.py:17"),
            ("test_add", "tests/test_calc.py:6"),
            ("test_param[1]", "tests/test_calc.py:10"),
            ("test_param[2]", "tests/test_calc.py:10"),
            ("test_deep", "tests/test_calc.py:13, raised at calc.py:5"),
            ("TestC.test_eq (i=1)", "tests/test_calc.py:28"),
        ],
        ("assert add(2, 3) == 5", "assert -1 == 5", "+  where -1 = add(2, 3)"),
    ),
    "pytest_collect": (
        "2 errors",
        [
            ("ERROR collecting tests/test_bad.py", "tests/test_bad.py:1"),
            ("ERROR collecting tests/test_syn.py", ""),
        ],
        ('File "tests/test_syn.py", line 1', "def f(:", "^", "SyntaxError: invalid syntax"),
    ),
    "unittest": (
        "6 ran, failures=2, errors=3, skipped=1, unexpected successes=1",
        [
            ("test_err (test_u.T.test_err)", "test_u.py:11"),
            ("setUpClass (test_u.U)", "test_u.py:18"),
            ("test_v (unittest.loader._FailedTest.test_v)", "test_v.py:1"),
            ("test_eq (test_u.T.test_eq) (i=0)", "test_u.py:6"),
            ("test_eq (test_u.T.test_eq) (i=1)", "test_u.py:6"),
        ],
        ("AssertionError: 1 != 2 : two",),
    ),
    "jest": (
        "3 failed, 1 skipped, 1 passed, 5 total",
        [
            ("add \u203a sums", "a.test.js:3"),
            ("add \u203a objects", "a.test.js:4"),
            ("throws", "a.test.js:8"),
            ("Test suite failed to run", "b.test.js:1"),
        ],
        ("Cannot find module './nope' from 'b.test.js'",),
    ),
    "vitest": (
        "3 failed | 1 passed | 1 skipped (5)",
        [
            ("b.test.js [ b.test.js ]", "b.test.js:2"),
            ("a.test.js > add > sums", "a.test.js:4"),
            ("a.test.js > add > objects", "a.test.js:5"),
            ("a.test.js > throws", "a.test.js:9"),
        ],
        ("TypeError: Cannot read properties of null (reading 'x')",),
    ),
    "node": (
        "2 failed, 1 passed, 1 skipped",
        [("sums", "a.test.js:2"), ("throws", "a.test.js:3")],
        ("Expected values to be strictly equal:", "-1 !== 5"),
    ),
    "cargo": (
        "4 failed, 1 passed, 1 ignored",
        [
            ("tests::adds", "src/lib.rs:11"),
            ("tests::panics", "src/lib.rs:15"),
            ("outside", "tests/it.rs:2"),
            ("src/lib.rs - add (line 3)", "src/lib.rs:5"),
        ],
        ("assertion `left == right` failed: sums", "  left: -1", " right: 5"),
    ),
    "cargo_build": (
        "",
        [("error[E0425]: cannot find type `i32x` in this scope", "src/lib.rs:6")],
        (),
    ),
    "go": (
        "4 failed; packages: 3 failed, 1 ok",
        [
            ("undefined: nope", "broken/broken.go:4"),
            ("TestAdd", "calc_test.go:7"),
            ("TestTable/small", "calc_test.go:17"),
            (
                "panic: runtime error: index out of range [3] with length 0 [recovered]",
                "deep/deep.go:6",
            ),
        ],
        ("got 0, want 2",),
    ),
}
_RUNNER = {"jest": "npm", "vitest": "npm", "node": "npm"}
_KINDS = ("pytest", "unittest", "npm", "cargo", "go")


@pytest.mark.parametrize("name", sorted(_SEEN))
def test_a_recorded_run_is_understood(name: str) -> None:
    kind = name.partition("_")[0]
    output = (_RUNS / f"{name}.txt").read_text("utf-8")
    report = read(_RUNNER.get(kind, kind), output, "/workspace")
    counts, places, lines = _SEEN[name]
    assert report.counts == counts
    assert sorted((failure.name, failure.place) for failure in report.failures) == sorted(places)
    assert lines in ((), *(failure.lines for failure in report.failures))
    noise = ("stack backtrace", "node_modules", "Captured", "noise", "/usr/lib", "operator:")
    for failure in report.failures:
        assert not [line for line in failure.lines if any(word in line for word in noise)]


_PIECES = [path.read_text("utf-8") for path in sorted(_RUNS.glob("*.txt"))]
_LINES = sorted({line for piece in _PIECES for line in piece.split("\n")})


@given(
    st.sampled_from(_KINDS), st.lists(st.sampled_from(_LINES) | st.text(max_size=9), max_size=40)
)
def test_any_output_is_read_without_a_crash(kind: str, lines: list[str]) -> None:
    report = read(kind, "\n".join(lines), "/workspace")
    assert all("\n" not in line for failure in report.failures for line in failure.lines)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", _KINDS)
def test_hostile_output_takes_no_time(kind: str) -> None:
    marks = "Test Suites: 1\n Test Files \n# tests 1\n"
    for line in ("    at " + "a:1" * 60_000, "x:1: in " * 30_000, "error: |-\n" + "\n" * 200_000,
                 "panic: x\n" * 100_000):  # fmt: skip
        read(kind, marks + f"  ● x\n FAIL  x\nnot ok 1 - x\n---- x stdout ----\n{line}\n", "/w")


def _found(root: Path, path: str, *marks: str) -> list[Runner]:
    return runners(root, marks, path, "python")


def test_the_files_tell_what_runs(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/package.json").write_text('{"scripts": {"test": "jest"}}')
    (tmp_path / "package.json").write_text('{"scripts": {"test": "echo no test specified"}}')
    marks = ("Cargo.toml", "crates/a/Cargo.toml", "web/package.json", "svc/go.mod", "t/test_a.py")
    every = _found(tmp_path, "", *marks)
    assert [(runner.name, runner.folder) for runner in every] == [
        ("pytest", "."), ("npm", "web"), ("cargo", "."), ("go", "svc"),
    ]  # fmt: skip
    assert _found(tmp_path, "t/test_a.py::test_x", *marks)[0].command[-1] == "t/test_a.py::test_x"
    assert _found(tmp_path, "web/a.test.ts", *marks) == [
        Runner("npm", "web", ("npm", "test", "--silent", "--", "a.test.ts"))
    ]
    assert _found(tmp_path, "svc/calc/a_test.go", *marks) == [
        Runner("go", "svc", ("go", "test", "./calc/..."))
    ]
    assert _found(tmp_path, "crates/a/tests/it.rs", *marks) == [
        Runner("cargo", "crates/a", ("cargo", "test", "--no-fail-fast", "--test", "it"))
    ]
    assert [runner.folder for runner in _found(tmp_path, "crates/a", *marks)] == ["crates/a"]
    assert _found(tmp_path, "", "package.json", "docs/a.py") == [
        Runner("pytest", ".", _found(tmp_path, "", "x/test_a.py")[0].command)
    ]
    assert _found(tmp_path, "", "package.json") == []


@pytest.mark.parametrize(
    "text", ["", "[]", '{"scripts": []}', '{"scripts": {"test": 1}}', "[" * 9999]
)
def test_an_odd_package_has_no_tests(tmp_path: Path, text: str) -> None:
    (tmp_path / "package.json").write_text(text)
    assert _found(tmp_path, "", "package.json") == []


async def _run(context: Context, **arguments: JSON) -> Observation:
    return await execute(ToolCall("1", "run_tests", arguments), [run_tests], context)


async def test_a_projects_tests_run_and_failures_are_short(context: Context) -> None:
    (context.root / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (context.root / "tests").mkdir()
    test = "from calc import add\ndef test_add():\n    print('noise')\n    assert add(2, 3) == 5\n"
    (context.root / "tests/test_calc.py").write_text(test)
    (context.root / "conftest.py").touch()
    observation = await _run(context)
    assert observation.ok
    assert observation.text.startswith(
        "pytest: 1 failed\n\ntest_add (tests/test_calc.py:4)\n"
        "  assert add(2, 3) == 5\n  assert -1 == 5\n  +  where -1 = add(2, 3)\n"
        "\n[the whole output: shell `cat "
    )
    assert observation.text.endswith("tests.txt`]\n[exit code 1]")
    (context.root / "calc.py").write_text("def add(a, b):\n    return a + b\n")
    assert (await _run(context, path="tests")).text == "pytest: 1 passed\n[exit code 0]"
    one = await _run(context, path="/workspace/tests/test_calc.py::test_add")
    assert one.text == "pytest: 1 passed\n[exit code 0]"


async def test_what_was_not_understood_is_shown(context: Context) -> None:
    (context.root / "test_a.py").touch()
    (context.root / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    observation = await _run(context)
    assert "it did not say how many tests" in observation.text
    assert "unrecognized arguments: --nonsense" in observation.text
    assert observation.text.endswith("[exit code 4]")


async def test_endless_tests_are_stopped(context: Context) -> None:
    (context.root / "test_a.py").write_text("def test_a():\n    while True: pass\n")
    observation = await _run(context, seconds=3)
    assert observation.text.endswith("[stopped after 3 s]")


async def test_where_there_are_no_tests(context: Context) -> None:
    observation = await _run(context)
    assert (observation.ok, "run them with shell" in observation.text) == (False, True)
    assert not (await _run(context, seconds=0)).ok


async def test_a_missing_program_is_named(context: Context) -> None:
    (context.root / "go.mod").write_text("module example.com/x\n")
    if shutil.which("go"):
        pytest.skip("go is here")
    assert "go is not there in the sandbox" in (await _run(context)).text


async def test_npm_runs_the_script(context: Context) -> None:
    if not (Path("/usr/bin/npm").exists() and Path("/usr/bin/node").exists()):
        pytest.skip("no npm in /usr")
    (context.root / "package.json").write_text('{"scripts": {"test": "node --test"}}')
    (context.root / "a.test.js").write_text(
        "const {test} = require('node:test');\ntest('throws', () => { null.x; });\n"
    )
    observation = await _run(context)
    assert observation.text.endswith("[exit code 1]")
    assert "npm: " in observation.text
