"""Episodes on disk: SQLite, append only, so that a killed run keeps what it had."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.episode import SCHEMA, Episode, Step
from agent.model import Usage
from agent.task import Task
from sandbox.check import Check, Outcome, Verdict
from sandbox.refused import Refused
from tools.schema import ToolSchema

_TABLES = """
CREATE TABLE IF NOT EXISTS toolsets (hash TEXT PRIMARY KEY, tools TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (digest TEXT PRIMARY KEY, id TEXT NOT NULL, task TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS episodes (
    id TEXT PRIMARY KEY, task TEXT NOT NULL, digest TEXT NOT NULL, model TEXT NOT NULL,
    toolset TEXT NOT NULL REFERENCES toolsets, started REAL NOT NULL, schema INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS steps (
    episode TEXT NOT NULL REFERENCES episodes, n INTEGER NOT NULL, step TEXT NOT NULL,
    PRIMARY KEY (episode, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endings (
    episode TEXT PRIMARY KEY REFERENCES episodes, stop TEXT NOT NULL, diff TEXT NOT NULL,
    seconds REAL NOT NULL, ended REAL NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
    episode TEXT NOT NULL REFERENCES episodes, verdict TEXT NOT NULL, given REAL NOT NULL);
CREATE INDEX IF NOT EXISTS verdicts_of ON verdicts (episode);
"""

_EPISODE = """
SELECT id, task, digest, model, tools, started, schema, stop, diff, seconds,
    (SELECT verdict FROM verdicts WHERE episode = id ORDER BY given DESC LIMIT 1) AS verdict
FROM episodes JOIN toolsets ON hash = toolset LEFT JOIN endings ON endings.episode = id
"""


class Store:
    """The episodes of one home. Several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open or create the database at `path`.

        Raises:
            Refused: it is no database of ours, or cannot be written.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Conversations are nobody else's; SQLite's other files take the mode of this one.
            path.touch(0o600)
            self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise Refused(
                f"The episode store {path} cannot be opened ({error}): "
                "free disk space, or move the file away to start a new one."
            ) from error

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def begin(self, episode: Episode) -> None:
        """Record that an episode started; its steps come by `append`."""
        tools = json.dumps(episode.tools, ensure_ascii=False)
        toolset = hashlib.sha256(tools.encode()).hexdigest()
        self._write("INSERT OR IGNORE INTO toolsets VALUES (?, ?)", toolset, tools)
        self._write(
            "INSERT INTO episodes VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(episode.id, episode.task, episode.digest, episode.model),
            *(toolset, episode.started, episode.schema),
        )

    def append(self, episode: str, n: int, step: Step) -> None:
        """Record step `n`, for good before this returns."""
        self._write("INSERT INTO steps VALUES (?, ?, ?)", episode, n, _dump(step))

    def finish(
        self, episode: str, stop: str, diff: str, seconds: float, verdict: Verdict | None
    ) -> None:
        """Record how an episode ended, and its verdict if there is one, all or nothing."""
        now = time.time()
        self._write("BEGIN IMMEDIATE")
        self._write("INSERT INTO endings VALUES (?, ?, ?, ?, ?)", episode, stop, diff, seconds, now)
        if verdict:
            self._write("INSERT INTO verdicts VALUES (?, ?, ?)", episode, _dump(verdict), now)
        self._write("COMMIT")

    def remember(self, task: Task) -> None:
        """Keep a task, so that it can be evaluated later without its file."""
        row = (task.digest, task.id, _dump(task))
        self._write("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?)", *row)

    def tasks(self) -> list[Task]:
        """All remembered tasks by id; of several with one id, the one remembered last."""
        rows = self._db.execute("SELECT id, task FROM tasks ORDER BY rowid").fetchall()
        return [
            _task(json.loads(text))
            for _, text in sorted({r["id"]: r["task"] for r in rows}.items())
        ]

    def judged(self, model: str) -> dict[str, list[Outcome]]:
        """Each pass and fail by task digest, of `model`, oldest first; `unknown` does not count."""
        rows = self._db.execute(
            "SELECT digest, verdict FROM episodes JOIN verdicts ON episode = id WHERE model = ? "
            "ORDER BY given",
            (model,),
        )
        found: dict[str, list[Outcome]] = {}
        for digest, text in rows:
            if (outcome := json.loads(text)["outcome"]) != "unknown":
                found.setdefault(digest, []).append(outcome)
        return found

    def episode(self, id: str) -> Episode:
        """One episode, whole.

        Raises:
            Refused: there is none of that id.
        """
        found = next(self.episodes("WHERE id = ?", id), None)
        if found is None:
            raise Refused(f"There is no episode {id}: `assistant episodes list` shows them.")
        return found

    def episodes(self, where: str = "", *values: str | int) -> Iterator[Episode]:
        """Episodes in the order they started; `where` is an SQL tail over table `episodes`."""
        order = "" if "ORDER" in where else "ORDER BY started"
        for row in self._db.execute(f"{_EPISODE} {where} {order}", values).fetchall():
            yield self._read(row)

    def _read(self, row: sqlite3.Row) -> Episode:
        if row["schema"] > SCHEMA:
            raise Refused(f"Episode {row['id']} is of a newer version: upgrade assistant.")
        steps = self._db.execute(
            "SELECT step FROM steps WHERE episode = ? ORDER BY n", (row["id"],)
        )
        tools: list[ToolSchema] = json.loads(row["tools"])
        return Episode(
            id=row["id"],
            task=row["task"],
            digest=row["digest"],
            model=row["model"],
            tools=tuple(tools),
            started=row["started"],
            steps=tuple(_step(json.loads(text)) for (text,) in steps),
            stop=row["stop"],
            diff=row["diff"] or "",
            seconds=row["seconds"] or 0.0,
            verdict=_verdict(json.loads(row["verdict"])) if row["verdict"] else None,
            schema=row["schema"],
        )

    def _write(self, statement: str, *values: str | float) -> None:
        try:
            # A half of a character in a reason for stopping must not cost the verdict.
            self._db.execute(statement, [_sound(value) for value in values])
        except sqlite3.DatabaseError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise Refused(
                f"The episode store cannot be written ({error}): "
                "free disk space, or move the file away if it is damaged."
            ) from error


def _sound(value: str | float) -> str | float:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _dump(record: Step | Verdict | Task) -> str:
    return json.dumps(asdict(record), ensure_ascii=False)


def _step(record: dict[str, Any]) -> Step:
    record["usage"] = Usage(**record["usage"])
    return Step(**record)


def _verdict(record: dict[str, Any]) -> Verdict:
    record["failures"] = tuple(record["failures"])
    return Verdict(**record)


def _task(record: dict[str, Any]) -> Task:
    check = record["check"]
    check["commands"] = tuple(tuple(command) for command in check["commands"])
    record["check"] = Check(**check)
    return Task(**record)
