"""Task files: what is right is read, what is wrong is named with its line and its mend."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillation.tasks import load_tasks
from sandbox.refused import Refused

GOOD = {
    "id": "a",
    "prompt": "Fix a.py.",
    "files": {"a.py": "x = 1\n"},
    "tests": {"test_a.py": "def test_a(): pass\n"},
    "solution": {"a.py": "x = 2\n"},
    "category": "bug_fix",
}
SHARED = Path(__file__).resolve().parents[2].parent / "shared/data/tasks"
SETS = [SHARED / f"{name}.jsonl" for name in ("quixbugs", "exercism", "mbpp", "classeval")]


def written(folder: Path, *lines: object) -> Path:
    path = folder / "tasks.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def test_a_task_file_is_read(tmp_path: Path) -> None:
    (task,) = load_tasks(written(tmp_path, GOOD, ""))
    assert (task.id, task.files, task.category) == ("a", GOOD["files"], "bug_fix")
    assert task.check.protected == GOOD["tests"]
    assert task.check.commands[0][-1] == "test_a.py"
    assert task.solution == GOOD["solution"]


def test_a_check_of_its_own(tmp_path: Path) -> None:
    (task,) = load_tasks(written(tmp_path, GOOD | {"tests": {}, "check": [["make", "test"]]}))
    assert task.check.commands == (("make", "test"),)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('{"id": "a", ', "not JSON"),
        ("[1]", "not a JSON object"),
        (GOOD | {"id": ""}, "`id` is missing"),
        (GOOD | {"prompt": 3}, "`prompt` is missing or no text"),
        (GOOD | {"tests": {}}, "no check"),
        (GOOD | {"check": "make test"}, "`check` is no list"),
        (GOOD | {"check": [[1]]}, "`check` is no list"),
        (GOOD | {"files": ["a.py"]}, "`files` is no object"),
        (GOOD | {"files": {"a.py": 1}}, "no text for 'a.py'"),
        (GOOD | {"files": {"../a.py": ""}}, "outside of the workspace"),
        (GOOD | {"solution": {"/etc/passwd": ""}}, "outside of the workspace"),
        (GOOD | {"prompt": "\ud800"}, "half of a character"),
        ('{"id": ' + "9" * 5000 + "}", "not JSON"),
        (GOOD | {"files": {"d/" + "a" * 256: ""}}, "more than 255 bytes"),
        (GOOD | {"check": [["a\0b"]]}, "`check` is no list"),
        (GOOD, "that of line 1 too"),
    ],
)
def test_a_wrong_line_is_named_with_its_mend(tmp_path: Path, line: object, names: str) -> None:
    path = written(tmp_path, GOOD, line)
    with pytest.raises(Refused) as refused:
        load_tasks(path)
    assert f"{path}, line 2: " in str(refused.value)
    assert names in str(refused.value)


@pytest.mark.parametrize("content", ["", "\n\n", None])
def test_a_file_without_tasks(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "none.jsonl"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(Refused, match=r"none\.jsonl"):
        load_tasks(path)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.mktemp("tasks"), GOOD, text.replace("\r", "").replace("\n", ""))
    sentence = ""
    try:
        load_tasks(path)
    except Refused as refused:
        sentence = str(refused)
    assert not sentence or "line 2" in sentence


@pytest.mark.parametrize("path", [path for path in SETS if path.exists()], ids=lambda p: p.stem)
def test_the_real_task_sets_are_read(path: Path) -> None:
    tasks = load_tasks(path)
    assert len(tasks) == len(path.read_text(encoding="utf-8").splitlines())
    assert all(task.solution for task in tasks)
