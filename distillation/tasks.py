"""Tasks from JSON lines files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

from agent.task import Task
from sandbox.check import Check
from sandbox.refused import Refused

_TEXTS = ("id", "prompt")
_FILES = ("files", "tests", "solution")
_LONGEST_NAME = 255
"""Bytes of a file's name, by the kernel."""


def load_tasks(path: Path) -> list[Task]:
    """Read one task a line: `id`, `prompt`, `files`, `tests`, and maybe `solution`, `category`.

    `tests` are pytest files; they are protected and are the task's check, unless `check` gives
    commands of its own (lists of words, `{python}` for the interpreter).

    Raises:
        Refused: naming file, line and mend, for anything that is not such a task.
    """
    try:
        # Not `splitlines`, which also splits at characters that JSON allows inside of texts.
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Refused(f"The task file {path} is no UTF-8 text: convert it.") from error
    except OSError as error:
        raise Refused(f"Cannot read {path} ({error.strerror}): check the path.") from error
    tasks = list(_tasks(path, lines))
    if not tasks:
        raise Refused(f"The task file {path} holds no task: it needs one JSON object a line.")
    return tasks


def _tasks(path: Path, lines: list[str]) -> Iterator[Task]:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            task = _task(_object(line))
        except _Wrong as wrong:
            raise Refused(f"{path}, line {number}: {wrong}") from wrong
        if task.id in seen:
            raise Refused(
                f"{path}, line {number}: the id {task.id!r} is that of line {seen[task.id]} too: "
                "give each task its own."
            )
        seen[task.id] = number
        yield task


class _Wrong(Exception):
    """What is wrong with a line, and the mend."""


def _object(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _Wrong("a text holds half of a character (\\ud800 to \\udfff): mend it.") from error
    # Not only JSONDecodeError: numbers of thousands of digits are a plain ValueError.
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"not JSON ({error}): mend or remove the line.") from error
    if not isinstance(record, dict):
        raise _Wrong("not a JSON object: a task is an object with id, prompt, files and tests.")
    return cast("dict[str, Any]", record)


def _task(record: dict[str, Any]) -> Task:
    for name in _TEXTS:
        if not isinstance(record.get(name), str) or not record[name].strip():
            raise _Wrong(f"`{name}` is missing or no text: add it.")
    files, tests, solution = (_files(name, record.get(name) or {}) for name in _FILES)
    return Task(
        id=record["id"],
        prompt=record["prompt"],
        check=Check(_commands(record, tests), protected=tests),
        files=files,
        solution=solution or None,
        category=str(record.get("category", "code")),
        source=str(record.get("source", "")),
    )


def _files(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _Wrong(f"`{name}` is no object of path and text: write {{'a.py': '…'}}.")
    for path, text in cast("Mapping[str, object]", value).items():
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise _Wrong(f"`{name}` names {path!r}, which is outside of the workspace.")
        if any(len(part.encode()) > _LONGEST_NAME for part in parts):
            raise _Wrong(f"`{name}` has a name of more than {_LONGEST_NAME} bytes: shorten it.")
        if not isinstance(text, str):
            raise _Wrong(f"`{name}` has no text for {path!r}.")
    return dict(cast("Mapping[str, str]", value))


def _commands(record: dict[str, Any], tests: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    given = record.get("check")
    if given is None and tests:
        return (("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", *sorted(tests)),)
    if not given:
        raise _Wrong("the task has no check: add `tests` (pytest files) or `check` (commands).")
    commands = cast("list[object]", given) if isinstance(given, list) else [given]
    for command in commands:
        words = cast("list[object]", command) if isinstance(command, list) else [None]
        if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
            raise _Wrong("`check` is no list of commands: write [['{python}', 'check.py']].")
    return tuple(tuple(command) for command in cast("list[list[str]]", commands))
