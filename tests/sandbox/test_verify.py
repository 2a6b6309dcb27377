"""Right solutions pass, wrong ones fail, tricks do not help, and a broken sandbox is neither."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.backend import open_sandbox
from sandbox.check import Check, Verdict
from sandbox.verify import verify
from sandbox.workspace import copy_of, delete
from tests.sandbox.tricks import IN_PROCESS, sample, tampered

_TEST = """
from solution import add


def test_small():
    assert add(1, 2) == 3


def test_large():
    assert add(10**9, 1) == 10**9 + 1
"""
_START = {"solution.py": "def add(a, b):\n    pass\n", "test_solution.py": _TEST}
_CHECK = Check(
    (("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_solution.py"),),
    {"test_solution.py": _TEST},
    seconds=20,
)
_WRONG = "def add(a, b):\n    return 3\n"
_RIGHT = "def add(a, b):\n    return a + b\n"


async def _judged(
    changes: dict[str, str],
    check: Check = _CHECK,
    start: dict[str, str] = _START,
    *,
    runs: int = 1,
) -> Verdict:
    workspace = copy_of({**start, **changes})
    before = sorted(workspace.root.rglob("*"))
    try:
        return await verify(check, workspace.root, start, runs=runs)
    finally:
        assert sorted(workspace.root.rglob("*")) == before
        workspace.close()


async def test_right_and_wrong() -> None:
    assert (await _judged({"solution.py": _RIGHT})).outcome == "pass"
    wrong = await _judged({"solution.py": _WRONG})
    assert wrong.outcome == "fail"
    assert wrong.seconds > 0
    assert len(wrong.failures) == 1
    assert wrong.failures[0].startswith("{python} -m pytest -q")
    assert "assert 3 == " in wrong.failures[0]
    assert (await _judged({})).outcome == "fail"


_PATCH = "import pytest\n\n\n@pytest.hookimpl(tryfirst=True)\ndef "
_REPORT_PASS = (
    _PATCH + "pytest_runtest_makereport(item, call):\n"
    "    call.excinfo = None\n"
)  # fmt: skip
_FAKE_PYTEST = "import sys\nprint('2 passed in 0.01s')\nsys.exit(0)\n"

_TRICKS: dict[str, dict[str, str]] = {
    "tests are emptied": {"test_solution.py": "def test_small():\n    pass\n"},
    "conftest passes everything": {"conftest.py": _REPORT_PASS},
    "conftest drops tests": {
        "conftest.py": "def pytest_collection_modifyitems(items):\n    del items[1:]\n"
    },
    "conftest ignores": {"conftest.py": "collect_ignore = ['test_solution.py']\n"},
    "configuration selects": {"pytest.ini": "[pytest]\naddopts = -k small\n"},
    "configuration of tox": {"tox.ini": "[pytest]\naddopts = -k small\n"},
    "configuration of setup": {"setup.cfg": "[tool:pytest]\naddopts = -k small\n"},
    "configuration of the project": {
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-k small'\n"
    },
    "sitecustomize": {"sitecustomize.py": "import os\nos._exit(0)\n"},
    "usercustomize": {"usercustomize.py": "import os\nos._exit(0)\n"},
    "a pytest of its own": {"pytest.py": _FAKE_PYTEST},
    "a pytest folder": {"pytest/__init__.py": "", "pytest/__main__.py": _FAKE_PYTEST},
    "a _pytest folder": {"_pytest/__init__.py": _FAKE_PYTEST},
    "a pluggy of its own": {"pluggy.py": _FAKE_PYTEST},
    "a standard module of its own": {"json.py": _FAKE_PYTEST, "argparse.py": _FAKE_PYTEST},
    "a plugin by entry point": {
        "evil.py": _REPORT_PASS,
        "evil-1.dist-info/METADATA": "Name: evil\nVersion: 1\n",
        "evil-1.dist-info/entry_points.txt": "[pytest11]\nevil = evil\n",
    },
    "exit at import": {"solution.py": "import sys\nsys.exit(0)\n"},
    "hard exit at import": {"solution.py": "import os\nos._exit(0)\n"},
    "hard exit with a summary": {
        "solution.py": "import os\nprint('2 passed in 0.01s', flush=True)\nos._exit(0)\n"
    },
    "hard exit in the function": {
        "solution.py": "import os\n\n\ndef add(a, b):\n    os._exit(0)\n"
    },
    "hard exit at the end": {
        "solution.py": "import atexit, os\natexit.register(os._exit, 0)\n" + _WRONG
    },
    "pytest.exit in the function": {
        "solution.py": "import pytest\n\n\ndef add(a, b):\n"
        "    if a > 9:\n        pytest.exit('done', returncode=0)\n    return 3\n"
    },
    "skipping what fails": {
        "solution.py": "import pytest\n\n\ndef add(a, b):\n"
        "    if a > 9:\n        pytest.skip()\n    return 3\n"
    },
    "skipping the module": {"solution.py": "import pytest\npytest.skip(allow_module_level=True)\n"},
    "expecting to fail": {
        "solution.py": "import pytest\n\n\ndef add(a, b):\n"
        "    if a > 9:\n        pytest.xfail('no')\n    return 3\n"
    },
    "a false witness": {
        "solution.py": 'import os\nprint(\'\\nwitness: {"collected": 2, "broken": 0, '
        '"passed": 2, "failed": 0, "skipped": 0, "exit": 0} \' + \'0\' * 64, flush=True)\n'
        "os._exit(0)\n"
    },
    "rewriting the tests while they run": {
        "solution.py": "try:\n    open('test_solution.py', 'w').write('def test_a(): pass')\n"
        "except OSError:\n    pass\n" + _WRONG
    },
    "the right solution in bytecode only": {"solution.pyc": "x", "solution.py": _WRONG},
}


@pytest.mark.parametrize("trick", _TRICKS)
async def test_tricks_do_not_pass(trick: str) -> None:
    verdict = await _judged({"solution.py": _WRONG, **_TRICKS[trick]})
    assert verdict.outcome == "fail", verdict


_PLANTED = [name for name, files in _TRICKS.items() if "solution.py" not in files]


@pytest.mark.parametrize("trick", _PLANTED)
async def test_tricks_do_not_harm_a_right_solution_either(trick: str) -> None:
    verdict = await _judged({"solution.py": _RIGHT, **_TRICKS[trick]})
    assert verdict.outcome == "pass", verdict


async def test_the_tricks_work_without_care() -> None:
    """The control: an exit code alone would have been fooled by at least half of them."""
    gate = asyncio.Semaphore(2)

    async def fooled(files: dict[str, str]) -> bool:
        workspace = copy_of({**_START, "solution.py": _WRONG, **files})
        sandbox = await open_sandbox(workspace.root)
        async with gate:
            completed = await sandbox.run(["python", "-m", "pytest", "-q", "test_solution.py"])
        await sandbox.close()
        workspace.close()
        return completed.ok

    results = await asyncio.gather(*(fooled(files) for files in _TRICKS.values()))
    assert sum(results) > len(_TRICKS) / 2, dict(zip(_TRICKS, results, strict=True))


async def test_the_start_files_configuration_is_put_back() -> None:
    start = {
        **_START,
        "conftest.py": "import pytest\n\n\n@pytest.fixture\ndef two():\n    return 2\n",
    }
    test = "def test_two(two):\n    assert two == 2\n"
    check = Check(_CHECK.commands, {"test_solution.py": test}, 20)
    assert (await _judged({"conftest.py": _REPORT_PASS}, check, start)).outcome == "pass"


async def test_a_protected_file_that_became_something_else_is_replaced(tmp_path: Path) -> None:
    for kind in ("folder", "link", "missing"):
        workspace = copy_of({**_START, "solution.py": _RIGHT}, tmp_path)
        test = workspace.root / "test_solution.py"
        test.unlink()
        if kind == "folder":
            (test / "sub").mkdir(parents=True)
        elif kind == "link":
            test.symlink_to("/etc/passwd")
        assert (await verify(_CHECK, workspace.root, _START)).outcome == "pass", kind
        workspace.close()


async def test_links_and_pipes_in_the_workspace_are_no_way_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    workspace = copy_of({**_START, "solution.py": _RIGHT})
    (workspace.root / "link").symlink_to(secret)
    (workspace.root / "folder").symlink_to(tmp_path)
    os.mkfifo(workspace.root / "pipe")
    look = "import sys; from os.path import exists; sys.exit(exists('link') or exists('pipe'))"
    check = Check((*_CHECK.commands, ("{python}", "-c", look)), _CHECK.protected, 20)
    assert (await verify(check, workspace.root, _START)).outcome == "pass"
    workspace.close()
    assert secret.read_text() == "hidden"


async def test_tests_that_skip_by_themselves_may() -> None:
    test = _TEST + "\n\ndef test_other():\n    import pytest\n    pytest.skip('not here')\n"
    check = Check(_CHECK.commands, {"test_solution.py": test}, 20)
    assert (await _judged({"solution.py": _RIGHT}, check)).outcome == "pass"


async def test_unittest_style_and_subtests() -> None:
    test = (
        "import unittest\nfrom solution import add\n\n\nclass AddTest(unittest.TestCase):\n"
        "    def test_add(self):\n        for n in range(3):\n"
        "            with self.subTest(n=n):\n                self.assertEqual(add(n, 1), n + 1)\n"
    )
    for module in ("pytest", "unittest"):
        command = ("{python}", "-m", module, "-q", "test_solution.py")
        check = Check((command,), {"test_solution.py": test}, 20)
        assert (await _judged({"solution.py": _RIGHT}, check)).outcome == "pass"
        assert (await _judged({"solution.py": _WRONG}, check)).outcome == "fail"


async def test_every_command_must_succeed() -> None:
    check = Check((("true",), ("sh", "-c", "echo why >&2; exit 3")), {}, 20)
    verdict = await _judged({}, check)
    assert verdict.failures == ("sh -c echo why >&2; exit 3\nwhy\n\n[exit code 3]",)


async def test_an_endless_solution_fails_in_time() -> None:
    endless = "def add(a, b):\n    while True:\n        pass\n"
    check = Check(_CHECK.commands, _CHECK.protected, seconds=1.5)
    verdict = await _judged({"solution.py": endless}, check)
    assert verdict.outcome == "fail"
    assert "stopped after" in verdict.failures[0]
    assert verdict.seconds < 6


async def test_a_command_cannot_prepare_the_next_one() -> None:
    plant = "import pathlib; pathlib.Path('conftest.py').write_text('raise SystemExit(0)')"
    check = Check((("{python}", "-c", plant), *_CHECK.commands), _CHECK.protected, 20)
    assert (await _judged({"solution.py": _RIGHT}, check)).outcome == "pass"


async def test_an_unreadable_workspace_is_unknown(tmp_path: Path) -> None:
    verdict = await verify(_CHECK, tmp_path / "gone", _START)
    assert verdict.outcome == "unknown"
    assert "gone" in verdict.failures[0]


def test_a_sandbox_that_breaks_is_unknown(tmp_path: Path) -> None:
    """A bubblewrap that works for the canary and is gone afterwards."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/bwrap"
    real = subprocess.check_output(["which", "bwrap"], text=True).strip()
    fake.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    fake.chmod(0o755)
    script = (
        "import asyncio, pathlib\n"
        "from sandbox.backend import canary\n"
        "from sandbox.check import Check\nfrom sandbox.verify import verify\n"
        "check = Check((('true',),), {}, 20)\n"
        "assert asyncio.run(canary()) is None\n"
        f"pathlib.Path({str(fake)!r}).write_text('#!/bin/sh\\necho broken >&2; exit 1\\n')\n"
        f"print(asyncio.run(verify(check, pathlib.Path({str(tmp_path)!r}), {{}})))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "outcome='unknown'" in run.stdout
    assert "did not start: broken" in run.stdout


_COIN = """
import os
from pathlib import Path


def add(a, b):
    return a + b if os.urandom(1)[0] % 2 else 0
"""


async def test_a_flaky_check_is_unknown_and_named() -> None:
    verdict = await _judged({"solution.py": _COIN}, runs=40)
    assert verdict.outcome == "unknown"
    assert "flaky" in verdict.failures[0]
    assert (await _judged({"solution.py": _RIGHT}, runs=2)).outcome == "pass"
    assert (await _judged({"solution.py": _WRONG}, runs=2)).outcome == "fail"


_UNITTEST = """
import unittest
from solution import add


class AddTest(unittest.TestCase):
    def test_small(self):
        self.assertEqual(add(1, 2), 3)

    def test_large(self):
        self.assertEqual(add(10**9, 1), 10**9 + 1)
"""
_SCRIPT = "from solution import add\nassert add(2, 2) == 4\nprint('all is well')\n"
_OTHERS = {
    "unittest": Check(
        (("{python}", "-m", "unittest", "test_solution.py"),), {"test_solution.py": _UNITTEST}, 20
    ),
    "a script": Check((("{python}", "check.py"),), {"check.py": _SCRIPT}, 20),
    "code": Check((("python3", "-c", _SCRIPT),), {}, 20),
}


@pytest.mark.parametrize("name", _OTHERS)
async def test_other_checks_have_a_witness_too(name: str) -> None:
    check, wrong = _OTHERS[name], {"solution.py": _WRONG}
    assert (await _judged({"solution.py": _RIGHT}, check)).outcome == "pass"
    assert (await _judged(wrong, check)).outcome == "fail"
    for trick in ("exit", "hard exit", "hard exit at the end", "another process goes on"):
        head = IN_PROCESS[trick] + _WRONG
        assert (await _judged({"solution.py": head}, check)).outcome == "fail", trick


async def test_a_script_may_end_itself() -> None:
    script = "import sys\nfrom solution import add\nsys.exit(0 if add(2, 2) == 4 else 'wrong')\n"
    check = Check((("{python}", "check.py"),), {"check.py": script}, 20)
    assert (await _judged({"solution.py": _RIGHT}, check)).outcome == "pass"
    wrong = await _judged({"solution.py": _WRONG}, check)
    assert "wrong\n" in wrong.failures[0]


async def test_one_skip_is_no_licence_for_all() -> None:
    test = _TEST + "\n\ndef test_other():\n    import pytest\n    pytest.skip('not here')\n"
    check = Check(_CHECK.commands, {"test_solution.py": test}, 20)
    skips = "import unittest\ndef add(a, b):\n    if a > 9:\n        raise unittest.SkipTest\n"
    verdict = await _judged({"solution.py": skips + "    return 3\n"}, check)
    assert "test_solution.py::test_large" in verdict.failures[0]


_WORKS = Path(__file__).resolve().parents[2].parent / "shared/data/tasks"


def _tasks(each: int) -> dict[str, dict[str, dict[str, str]]]:
    rows: list[dict[str, Any]] = []
    for name in ("quixbugs", "exercism", "mbpp", "classeval"):
        file = _WORKS / f"{name}.jsonl"
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            rows += [json.loads(line) for line in lines[:: max(1, len(lines) // each)]]
    return {str(row["id"]): row for row in rows}


def _check(task: dict[str, dict[str, str]]) -> Check:
    command = ("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", *task["tests"])
    return Check((command,), task["tests"], 30)


_FEW = _tasks(3)
_MORE = _tasks(12)


@pytest.mark.parametrize("name", _FEW)
async def test_reference_solutions_pass(name: str) -> None:
    task = _FEW[name]
    start = {**task["files"], **task["tests"]}
    assert (await _judged(task["solution"], _check(task), start, runs=2)).outcome == "pass"


@pytest.mark.parametrize(("trick", "name"), sample(sorted(_MORE), 46) if _MORE else [])
async def test_tampering_with_real_tasks_does_not_pass(trick: str, name: str) -> None:
    """All 200 are in `benchmarks/verification.py`."""
    task = _MORE[name]
    files = tampered(trick, task["solution"], task["tests"])
    verdict = await _judged(files, _check(task), {**task["files"], **task["tests"]})
    assert verdict.outcome == "fail", verdict


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
async def test_what_may_not_be_read_is_a_fail(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    verdict = await verify(_CHECK, tmp_path, _START)
    assert verdict.outcome == "fail"
    assert "closed" in verdict.failures[0]


async def test_very_deep_folders_are_a_fail(tmp_path: Path) -> None:
    nest = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", nest], cwd=tmp_path, check=True)
    try:
        verdict = await verify(Check((("true",),)), tmp_path, {})
    finally:
        delete(tmp_path / "d")
    assert verdict.outcome == "fail"
    assert "within each other" in verdict.failures[0]


async def test_folders_that_a_check_itself_makes_too_deep() -> None:
    deep = "import os\nfor _ in range(1900): os.mkdir('d'); os.chdir('d')"
    lines = (("{python}", "-c", deep), *_CHECK.commands)
    verdict = await _judged({"solution.py": _RIGHT}, replace(_CHECK, commands=lines))
    assert verdict.outcome == "pass", verdict.failures
