"""The student in the box, by the installed command: it repairs a small project, through tools."""

import json
import subprocess
from pathlib import Path

from tests.assistant.terminal import COMMAND, Terminal, clean_environment

PROGRAMS = {
    "prices": (
        'def total(prices):\n    """Return the sum of the values in prices."""\n    result = 0\n'
        "    for price in prices:\n        result -= price\n    return result\n",
        "from prices import total\n\n\ndef test_total():\n    assert total([2, 3, 5]) == 10\n",
        "result += price",
    ),
    "words": (
        'def longer(words, size):\n    """Return a list of the words in words with at least size '
        'letters."""\n    found = []\n    for word in words:\n        if len(word) >= size:\n'
        "            found.append(word)\n    found\n",
        "from words import longer\n\n\ndef test_longer():\n"
        "    assert longer(['a', 'apple'], 3) == ['apple']\n",
        "return found",
    ),
    "marks": (
        'def best(marks):\n    """Return the largest value in marks."""\n    top = marks[0]\n'
        "    for mark in marks:\n        if mark < top:\n            top = mark\n    return top\n",
        "from marks import best\n\n\ndef test_best():\n    assert best([3, 9, 4]) == 9\n",
        "mark > top",
    ),
}


def project(folder: Path, name: str) -> Path:
    program, test, _ = PROGRAMS[name]
    folder.mkdir()
    (folder / f"{name}.py").write_text(program, encoding="utf-8")
    (folder / f"test_{name}.py").write_text(test, encoding="utf-8")
    return folder


def test_it_repairs_small_projects_in_one_command_each(tmp_path: Path) -> None:
    repaired: list[str] = []
    for name, (_, _, right) in PROGRAMS.items():
        folder = project(tmp_path / name, name)
        done = subprocess.run(
            [COMMAND, "-p", f"Fix the bug in {name}.py.", "--mode", "auto", "--json"],
            env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path / "home")},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr  # 1: it gave up.
        assert all(json.loads(line) for line in done.stdout.splitlines())
        if right in (folder / f"{name}.py").read_text(encoding="utf-8"):
            repaired.append(name)
    # It is no more than good at this: one of three may fail.
    assert len(repaired) >= 2, repaired


def test_in_the_chat_it_asks_before_it_writes_and_tells_what_it_is(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "prices")
    terminal = Terminal(folder, tmp_path / "home")
    terminal.sees("This student is small")
    terminal.types("Fix the bug in prices.py.\r")
    for shown in ("python -m pytest", "result += price", "python -m pytest"):
        terminal.sees(shown)
        terminal.sees("a always in this session")
        terminal.types("y")
    terminal.sees("all tests pass now")
    assert terminal.leaves() == 0
    assert "result += price" in (folder / "prices.py").read_text(encoding="utf-8")


def test_what_it_cannot_do_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    done = subprocess.run(
        [COMMAND, "-p", "who are you?"],
        env=clean_environment() | {"ASSISTANT_HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    assert "small" in done.stdout
    assert "assistant models pull" in done.stdout
