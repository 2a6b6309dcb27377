"""Decoys of honest tests fail, all of them; and they show what is equal to everything."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.decoy import read_tests

_TEXT = '''"""About."""
from __future__ import annotations

import unittest

import pytest

from solution import add


@pytest.mark.parametrize("n", [1, 2])
def test_plain(n):
    assert add(n, 1) == n + 1


def test_raises():
    with pytest.raises(TypeError):
        add("1", 2)


def test_early():
    if add(1, 1) == 2:
        return
    assert False


def test_inner():
    def inner():
        return 3
    assert inner() == add(1, 2)
    assert add(1, 2) != 4 and add(1, 2) > 2


def helper():
    return 1


class TestThings:
    def test_a(self):
        for n in range(3):
            assert add(n, n) == n * 2


class ThingsTest(unittest.TestCase):
    def test_b(self):
        with self.subTest("x"):
            self.assertEqual(add(1, 1), 2)
        self.assertTrue(add(1, 1))

    @unittest.skip("not yet")
    def test_c(self):
        self.fail()
'''
_NAMES = {
    *("test_plain", "test_raises", "test_early", "test_inner"),
    *("TestThings::test_a", "ThingsTest::test_b", "ThingsTest::test_c"),
}
_ADD = "def add(a, b):\n    return a + b\n"
_YES = (
    "class Yes(int):\n    def __eq__(self, other):\n        return True\n\n\n"
    "def add(a, b):\n    return Yes(a + b)\n"
)


def _run(folder: Path, solution: str, tests: str) -> str:
    (folder / "solution.py").write_text(solution)
    (folder / "test_it.py").write_text(tests)
    line = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "test_it.py"]
    run = subprocess.run(
        [sys.executable, *line], cwd=folder, capture_output=True, text=True, check=False
    )
    return run.stdout.splitlines()[-1]


def test_names_are_read_without_running_anything() -> None:
    found = read_tests(_TEXT)
    assert found.collected == found.decoys == _NAMES
    assert found.skipping == {"ThingsTest::test_c"}


def test_honest_decoys_all_fail(tmp_path: Path) -> None:
    assert " 7 passed, 1 skipped" in f" {_run(tmp_path, _ADD, _TEXT)}"
    last = _run(tmp_path, _ADD, read_tests(_TEXT).decoy)
    assert "7 failed, 1 skipped" in last
    assert "passed" not in last.replace("subtests passed", "")


def test_what_is_equal_to_everything_passes_decoys(tmp_path: Path) -> None:
    assert "passed" in _run(tmp_path, _YES, read_tests(_TEXT).decoy)


def test_what_unittest_should_refuse_is_asked_too(tmp_path: Path) -> None:
    calm = _ADD + "import unittest\nunittest.TestCase.assertTrue = lambda *a: None\n"
    assert "passed" in _run(tmp_path, calm, read_tests(_TEXT).decoy)


@pytest.mark.parametrize(
    "text",
    [
        "def test_(:",
        "x = 1\n",
        "\0",
        "def test_a():\n    yield\n",
        "@own\ndef test_a():\n    pass\n",
    ],
)
def test_what_cannot_be_a_decoy_is_none(text: str) -> None:
    found = read_tests(text)
    assert not found.decoys
    assert not found.decoy


@pytest.mark.parametrize(
    ("text", "skipping"),
    [
        ("import pytest\npytestmark = pytest.mark.skipif(True)\ndef test_a(): pass\n", {"test_a"}),
        ("from unittest import skip\ndef test_a(): pass\n", set[str]()),
        ("class TestA:\n    def setup_method(self):\n        pytest.skip()\n"
         "    def test_a(self): pass\ndef test_b(): pass\n", {"TestA::test_a"}),
    ],
)  # fmt: skip
def test_who_may_skip(text: str, skipping: set[str]) -> None:
    assert read_tests(text).skipping == skipping


def test_names_are_drawn_anew() -> None:
    assert read_tests(_TEXT).decoy != read_tests(_TEXT).decoy
