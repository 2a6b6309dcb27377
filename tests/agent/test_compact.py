"""Compaction: what is seen of a long history is valid, shorter, and only grows in between."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.compact import characters, compaction, last_compaction, pinned, seen, view
from agent.digest import digest, exchanges
from agent.message import Message, assistant, observed, system, user
from tools.call import Observation, ToolCall

TEXTS = st.text(max_size=30) | st.sampled_from(["x" * 400, "[exit code 1]", "[>] 1. go", ""])
NAMES = st.sampled_from(["read_file", "edit_file", "edit_files", "shell", "plan", "fly"])
ARGUMENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "path": TEXTS | st.just("AGENTS.md"),
        "command": TEXTS,
        "edits": st.lists(st.fixed_dictionaries({"path": TEXTS}) | st.none(), max_size=2) | TEXTS,
    },
)


@st.composite
def steps(draw: st.DrawFn) -> list[Message]:
    """An answer with its results, or a request of the user, or both."""
    made = [
        # Models give two calls the same id.
        ToolCall(draw(st.sampled_from(["a", "b"])), draw(NAMES), draw(ARGUMENTS))
        for _ in range(draw(st.integers(0, 3)))
    ]
    answer = assistant(draw(TEXTS), made)
    results = [observed(Observation(call.id, call.name, draw(TEXTS))) for call in made]
    asked = [user(draw(TEXTS))] if draw(st.booleans()) else []
    return draw(st.sampled_from([[answer, *results, *asked], [answer, *results], asked]))


TASK = [system("s"), user("Do it.")]
HISTORIES = st.lists(steps(), max_size=12)


def grown(parts: list[list[Message]], room: int, every: int) -> list[list[Message]]:
    """A history as it grows, step by step, made shorter every few steps if it can be."""
    history, snapshots = list(TASK), [list(TASK)]
    for number, part in enumerate(parts):
        history += part
        if number % every == every - 1 and (note := compaction(history, room)):
            history.append(note)
        snapshots.append(list(history))
    return snapshots


def assert_valid(messages: list[Message]) -> None:
    """System and task come first, and every call has its result right behind it, and no other.

    Nor does the user speak twice in a row.
    """
    assert [message["role"] for message in messages[:2]] == ["system", "user"]
    assert messages[1]["content"].startswith("Do it.")
    waiting, before = 0, ""
    for message in messages:
        assert "kept_from" not in message
        assert not (message["role"] == before == "user")
        before = message["role"]
        assert (message["role"] == "tool") == (waiting > 0)
        waiting = waiting - 1 if waiting else len(message.get("tool_calls", []))
    assert waiting == 0


@settings(max_examples=150)
@given(HISTORIES, st.integers(0, 2000), st.integers(1, 4))
def test_what_is_seen_of_any_history_is_valid_and_what_was_seen_before(
    parts: list[list[Message]], room: int, every: int
) -> None:
    snapshots = grown(parts, room, every)
    for history in snapshots:
        assert_valid(seen(history))
        assert seen(seen(history)) == seen(history)
    for before, after in pairwise(snapshots):
        assert after[: len(before)] == before
        if last_compaction(before) == last_compaction(after):
            *shown, last = seen(before)
            assert seen(after)[: len(shown)] == shown
            now = seen(after)[len(shown)]
            # A request without an answer grows by the next one.
            grows = last["role"] == "user" and now["content"].startswith(last["content"])
            assert now == last or grows


@settings(max_examples=150)
@given(HISTORIES, st.integers(0, 2000), st.integers(1, 4))
def test_a_compaction_makes_what_is_seen_shorter_and_keeps_the_last_steps_whole(
    parts: list[list[Message]], room: int, every: int
) -> None:
    for history in grown(parts, room, every):
        note = compaction(history, room)
        if note is None:
            continue
        after = seen([*history, note])
        assert characters(after) < characters(seen(history))
        assert len(after) <= len(seen(history))
        kept = after[pinned(history) :]
        assert kept == seen(history)[len(seen(history)) - len(kept) :]
        # The last request may have become one with the task.
        last = next(m for m in reversed(history) if "kept_from" not in m)
        assert kept or last["content"] in after[-1]["content"]
        # The very same conversation makes the very same message.
        assert compaction(history, room) == note


@given(HISTORIES)
def test_every_seen_message_is_one_of_the_history(parts: list[list[Message]]) -> None:
    history = grown(parts, 500, 2)[-1]
    indices = [index for index, _ in view(history)]
    assert indices == sorted(set(indices))
    for index, message in view(history):
        if message["role"] == "user":
            assert message["content"].startswith(history[index]["content"])
        else:
            assert message == history[index]


@given(HISTORIES)
def test_a_digest_is_bounded_and_pairs_calls_with_their_results(
    parts: list[list[Message]],
) -> None:
    history = [message for part in parts for message in part]
    assert len(digest(history * 50)) < 60_000
    results = [message["content"] for message in history if message["role"] == "tool"]
    assert [text for _, text in exchanges(history)] == results


def did(name: str, text: str, **arguments: str | int) -> list[Message]:
    call = ToolCall("c", name, dict(arguments))
    return [assistant("", [call]), observed(Observation("c", name, text))]


TOLD = """\
[To make room, 14 earlier messages were left out here. What happened in them:]
The user's last request there:
Mend the parser.
You said:
- It fails on tabs.
Files read:
- pkg/AGENTS.md
- a.py
Files changed:
- a.py
Commands run:
- pytest -q [exit code 1]
Other calls:
- search (1)
The open plan:
[x] 1. look
[>] 2. mend
pkg/AGENTS.md says:
Use tabs.
[Files may have changed since. Look again at what you need.]"""


def test_a_digest_tells_what_was_asked_read_changed_run_and_planned() -> None:
    told = digest(
        [
            user("Mend the parser."),
            *did("read_file", "Use tabs.", path="pkg/AGENTS.md"),
            *did("read_file", "…", path="a.py"),
            *did("edit_file", "done", path="a.py", old="x", new="y"),
            *did("shell", "1 failed\n[exit code 1]", command="pytest -q"),
            *did("plan", "[x] 1. look\n[>] 2. mend", done=1),
            *did("search", "a.py:1:x", pattern="x"),
            assistant("<think>hm</think>It fails on tabs."),
        ]
    )
    assert told == TOLD


@pytest.mark.parametrize("plan", ["[x] 1. look", "There is no plan yet; name its steps."])
def test_a_plan_that_is_done_or_was_none_is_not_told(plan: str) -> None:
    assert "plan" not in digest(did("plan", plan))


def test_nothing_is_left_out_where_nothing_can_be() -> None:
    for history in (
        [],
        [system("s")],
        TASK,
        [*TASK, *did("shell", "x" * 10_000, command="ls")],
        # Telling it would take longer than what was done.
        [*TASK, *did("shell", "", command="ls"), *did("shell", "", command="ls")],
    ):
        assert compaction(history, 0) is None
