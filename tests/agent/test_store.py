"""Episodes survive the process that writes them."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent.episode import Episode, Step
from agent.message import assistant, system, user
from agent.model import Usage
from agent.store import Store
from agent.task import Task
from sandbox.check import Check, Verdict
from sandbox.refused import Refused
from tools.call import ToolCall


def episode(id: str = "e1", digest: str = "d1") -> Episode:
    return Episode(id, "t1", digest, "scripted", tools=(), started=1.0)


STEPS = (
    Step(system("s")),
    Step(user("fix ü ☃")),
    Step(assistant("", [ToolCall("c1", "shell", {"command": "ls"})]), Usage(3, 2, 1, None), 0.5),
)


def test_an_episode_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    store.begin(episode())
    for n, step in enumerate(STEPS):
        store.append("e1", n, step)
    store.finish("e1", "end", "diff", 2.0, Verdict("fail", ("1 failed",), 0.3))
    again = Store(tmp_path / "e.sqlite").episode("e1")
    assert again.steps == STEPS
    assert again.verdict == Verdict("fail", ("1 failed",), 0.3)
    assert (again.stop, again.diff, again.seconds) == ("end", "diff", 2.0)
    assert again.usage == Usage(3, 2, 1, None)
    store.close()


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    store.begin(episode())
    modes = {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    assert modes == {0}
    store.close()


def test_a_step_of_before_repairs_loads_and_a_repaired_one_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    store.begin(episode())
    usage = '{"input": 1, "output": 2, "cached": 0, "cost": null, "reasoning": 0}'
    old = f'{{"message": {{"role": "user", "content": "u"}}, "usage": {usage}, "seconds": 0.5, '
    with sqlite3.connect(store.path) as database:
        database.execute("INSERT INTO steps VALUES ('e1', 0, ?)", (old + '"trained": true}',))
    mended = Step(assistant("a"), model="teacher", repair="escalated", corrects=0)
    store.append("e1", 1, mended)
    assert store.episode("e1").steps == (Step(user("u"), Usage(1, 2, cost=None), 0.5), mended)
    store.close()


def test_a_killed_writer_keeps_what_it_had(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from agent.episode import Episode, Step
from agent.message import user
from agent.store import Store
store = Store(Path(sys.argv[1]))
store.begin(Episode("e1", "t", "d", "m", tools=(), started=1.0))
for n in range(1000000):
    store.append("e1", n, Step(user(str(n))))
    print(n, flush=True)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "e.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout
        seen = [int(writer.stdout.readline()) for _ in range(200)]
        os.kill(writer.pid, signal.SIGKILL)
        seen += [int(line) for line in writer.stdout.read().split()]
    store = Store(tmp_path / "e.sqlite")
    kept = store.episode("e1")
    assert [step.message["content"] for step in kept.steps][: len(seen)] == [str(n) for n in seen]
    assert kept.stop is None
    store.close()


def test_pass_and_fail_count_as_judged_and_unknown_does_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    verdicts = {"a": Verdict("pass"), "b": Verdict("fail"), "c": Verdict("unknown")}
    for id, verdict in verdicts.items():
        store.begin(episode(id, digest=id))
        store.finish(id, "end", "", 0.0, verdict)
    assert store.judged("scripted") == {"a": ["pass"], "b": ["fail"]}
    assert store.judged("other") == {}
    store.close()


def test_of_tasks_with_one_id_the_last_is_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    old, new = (Task("t", prompt, Check((("true",),), {"t.py": ""})) for prompt in ("old", "new"))
    store.remember(old)
    store.remember(new)
    store.remember(new)
    assert store.tasks() == [new]
    store.remember(old)
    assert store.tasks() == [old]
    store.close()


def test_an_unknown_does_not_take_an_earlier_verdict_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    for id, verdict in {
        "1": Verdict("fail"),
        "2": Verdict("pass"),
        "3": Verdict("unknown"),
    }.items():
        store.begin(episode(id, digest="a"))
        store.finish(id, "end", "", 0.0, verdict)
    assert store.judged("scripted") == {"a": ["fail", "pass"]}
    store.close()


def test_half_of_a_character_does_not_cost_the_verdict(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    store.begin(episode())
    store.append("e1", 0, Step(user("\ud800")))
    store.finish("e1", "error: \udcff", "", 0.0, Verdict("pass"))
    store.close()
    again = Store(tmp_path / "e.sqlite").episode("e1")
    assert (again.stop, again.verdict) == ("error: ?", Verdict("pass"))


def test_a_step_that_another_process_wrote_is_refused_in_a_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    store.begin(episode())
    store.append("e1", 0, STEPS[0])
    with pytest.raises(Refused, match="cannot be written"):
        store.append("e1", 0, STEPS[1])
    store.close()


def test_an_ending_that_cannot_be_written_leaves_no_half(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    store.begin(episode())
    # A full disk, as SQLite knows it: no page more than there is now.
    store._db.execute("PRAGMA max_page_count = 1")  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(Refused, match="free disk space"):
        store.finish("e1", "end", "x" * 100_000, 0.0, Verdict("pass"))
    assert store.episode("e1").stop is None
    assert store.episode("e1").verdict is None
    store.close()


@pytest.mark.parametrize("content", [b"not a database, just some text that is long enough" * 40])
def test_a_foreign_file_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.sqlite"
    path.write_bytes(content)
    with pytest.raises(Refused, match=r"cannot be opened .*move the file"):
        Store(path)
    assert path.read_bytes() == content


def test_an_episode_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "e.sqlite")
    store.begin(episode())
    db = sqlite3.connect(tmp_path / "e.sqlite")
    with db:
        db.execute("UPDATE episodes SET schema = 99")
    db.close()
    with pytest.raises(Refused, match="newer version"):
        store.episode("e1")
    store.close()
