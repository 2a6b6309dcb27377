import ast
import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from agent.limits import EpisodeLimits
from agent.message import Message
from agent.model import Event
from agent.models.scripted import ScriptedModel, reply
from agent.store import Store
from agent.task import Split
from distillation.programs import classes, functions, parts
from distillation.programs.drills import Kind, drill
from distillation.programs.names import Names, split_of_word
from distillation.programs.play import Failed, Series, Stage, read, shard, write
from distillation.programs.program import FAMILIES, Puzzle, puzzle
from distillation.programs.real import functions as real_functions
from distillation.programs.real import restored
from distillation.programs.sites import bugs, render, site
from distillation.programs.slips import slipped
from distillation.programs.tutor import SLIPS, known, moves, rescuer, tutor
from distillation.programs.warm import Warm
from distillation.rollout import rollout
from sandbox.backend import open_sandbox
from sandbox.verify import verify
from sandbox.workspace import copy_of
from tools.call import ToolCall
from tools.schema import ToolSchema

MANY = 80


def puzzles(family: str, split: Split = "train", count: int = MANY) -> Iterator[Puzzle]:
    return (puzzle(family, split, seed, None) for seed in range(count))


def names(made: Puzzle) -> set[str]:
    """Every name that a module defines, taken apart at its underscores."""
    found: set[str] = set()
    for path, text in (made.task.files | (made.task.solution or {})).items():
        found |= {part for name in Path(path).with_suffix("").parts for part in name.split("_")}
        for node in ast.walk(ast.parse(text) if path.endswith(".py") else ast.Module([], [])):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found |= set(node.name.split("_"))
            if isinstance(node, ast.arg):
                found |= set(node.arg.split("_"))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found |= set(node.id.split("_"))
    return found


def test_a_marked_text_renders_right_and_with_each_of_its_bugs() -> None:
    inner = site("constant", 1, 2)
    text = "a\n" + site("missing return", f"return {inner}\n", f"{inner}\n") + "b"
    assert render(text) == "a\nreturn 1\nb"
    known = bugs(text)
    assert [(bug.kind, bug.right.strip(), bug.wrong.strip()) for bug in known] == [
        ("missing return", "return 1", "1"),
        ("constant", "1", "2"),
    ]
    assert [render(text, bug) for bug in known] == ["a\n1\nb", "a\nreturn 2\nb"]


def test_the_same_seed_makes_the_same_puzzle() -> None:
    for family in FAMILIES:
        assert list(puzzles(family, count=10)) == list(puzzles(family, count=10))
        assert len({made.task.digest for made in puzzles(family, count=40)}) == 40


def test_no_word_of_a_held_out_name_was_seen_in_training() -> None:
    for family in FAMILIES:
        seen = {name for made in puzzles(family) for name in names(made)}
        unseen = {name for made in puzzles(family, "heldout") for name in names(made)}
        both = {name.lower() for name in seen} & {name.lower() for name in unseen}
        assert both <= {"", "self", "readme"} | {"", "init"}, both
        assert len(seen) > 300
        assert len(unseen) > 150


def test_words_fall_on_one_side_each() -> None:
    assert {split_of_word(word) for word in ("tree", "lamp", "total", "x", "zebra")} <= {
        "train",
        "heldout",
    }
    drawn = [Names(Random(0), "heldout").word() for _ in range(100)]
    assert {split_of_word(word) for word in drawn} == {"heldout"}


def test_families_share_no_kind_of_bug() -> None:
    assert not functions.KINDS & classes.KINDS
    assert parts.KINDS < classes.KINDS
    modules = {"functions": functions, "tallies": parts, "classes": classes}
    for family, kinds in ((name, module.KINDS) for name, module in modules.items()):
        found = {fault.bug.kind for made in puzzles(family, count=220) for fault in made.faults}
        assert found == kinds


def test_faults_lead_from_the_broken_file_to_the_right_one() -> None:
    for family in FAMILIES:
        for made in puzzles(family):
            texts = [fault.before for fault in made.faults] + [f.after for f in made.faults[-1:]]
            (right,) = (made.task.solution or {}).values()
            assert len(set(texts)) == len(texts)
            assert texts[1:] == [fault.after for fault in made.faults]
            assert texts[-1:] == ([right] if made.faults else [])
            for fault in made.faults:
                assert fault.other not in (fault.before, fault.after)


async def test_checks_fail_at_the_start_and_pass_with_the_solution() -> None:
    async def outcomes(family: str, seed: int) -> tuple[str, str]:
        task = puzzle(family, "heldout", seed).task
        found: list[str] = []
        for files in (task.files, task.files | (task.solution or {})):
            workspace = await asyncio.to_thread(copy_of, files | task.check.protected)
            try:
                verdict = await verify(task.check, workspace.root, files | task.check.protected)
            finally:
                await asyncio.to_thread(workspace.close)
            found.append(verdict.outcome)
        return found[0], found[1]

    for family in FAMILIES:
        assert await outcomes(family, 0) == ("fail", "pass")


async def test_episodes_are_green_in_the_end_and_mistakes_are_not_trained(tmp_path: Path) -> None:
    mistakes = 0
    async with Stage.open() as stage:
        for seed in range(12):
            made = puzzle("functions", "train", seed, None)
            try:
                played = await stage.play(made, moves(made, 0.5, SLIPS))
            except Failed:
                continue
            roles = [message["role"] for message in played.messages]
            assert len(roles) == len(played.trained)
            assert not any(
                t for r, t in zip(roles, played.trained, strict=True) if r != "assistant"
            )
            assert played.trained[-1]
            last = [m["content"] for m in played.messages if m["role"] == "tool"][-1]
            assert last.endswith("[exit code 0]")
            mistakes += roles.count("assistant") - sum(played.trained)
            write(tmp_path / "one.jsonl.gz", [played])
            assert read(tmp_path / "one.jsonl.gz") == [played]
    assert mistakes > 3


async def test_played_messages_are_those_that_the_agent_records(tmp_path: Path) -> None:
    store = Store(tmp_path / "episodes.db")
    async with Stage.open() as stage:
        for seed in (3, 4):
            made = puzzle("functions", "heldout", seed)
            episode = await rollout(made.task, tutor(made), store, EpisodeLimits())
            assert episode.verdict is not None
            assert episode.verdict.passed
            played = await stage.play(made, moves(made))
            assert timeless(played.messages) == timeless(episode.messages)
            assert played.tools == list(episode.tools)
    store.close()


async def test_the_rescuer_takes_over_where_another_one_failed(tmp_path: Path) -> None:
    store, made = Store(tmp_path / "episodes.db"), puzzle("classes", "train", 5)
    (path,) = made.task.solution or {}
    wrong = ToolCall("1", "write_file", {"path": path, "content": "broken = True\n"})
    student = ScriptedModel([reply("I repair it.", wrong)])
    rescuing = rescuer(known(made.task))

    class Both:
        name = "both"

        def stream(self, messages: list[Message], tools: list[ToolSchema]) -> AsyncIterator[Event]:
            return (student if len(messages) == 2 else rescuing).stream(messages, tools)

    episode = await rollout(made.task, Both(), store, EpisodeLimits())  # type: ignore[arg-type]
    assert episode.verdict is not None
    assert episode.verdict.passed
    called = [c["function"]["name"] for m in episode.messages for c in m.get("tool_calls", [])]
    assert called == ["write_file", "read_file", "write_file", "shell"]
    store.close()


def timeless(messages: list[Message]) -> list[Message]:
    """Without how long tests took."""
    return [{**m, "content": re.sub(r"in \d+\.\d+s", "in 0s", m["content"])} for m in messages]


async def test_a_warm_interpreter_says_what_a_cold_one_says() -> None:
    made = puzzle("functions", "train", 1)
    workspace = await asyncio.to_thread(copy_of, made.task.files | made.task.check.protected)
    sandbox = await open_sandbox(workspace.root)
    try:
        for words in ("pytest -q", "pytest -q -x --tb=short", "unittest -q", "pytest --nonsense"):
            command = ["bash", "-c", f"python -m {words}"]
            warm = await Warm(sandbox).run(command)
            cold = await sandbox.run(command, merged=True)
            said = [re.sub(r"in \d+\.\d+s", "", each.stdout) for each in (warm, cold)]
            assert said[0] == said[1]
            assert warm.exit_code == cold.exit_code
        assert (await Warm(sandbox).run(["bash", "-c", "echo no python"])).stdout == "no python\n"
    finally:
        await sandbox.close()
        await asyncio.to_thread(workspace.close)


async def test_shards_are_made_once(tmp_path: Path) -> None:
    series = Series("functions", "heldout")
    await shard(tmp_path, series, 0, rows=3)
    (path,) = tmp_path.iterdir()
    before = path.stat().st_mtime_ns
    await shard(tmp_path, series, 0, rows=3)
    assert path.stat().st_mtime_ns == before
    assert len(read(path)) >= 2


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_drill_reads_a_spoilt_file_and_writes_the_right_one(share: float) -> None:
    changed: list[int] = []
    for seed in range(40):
        example = drill("functions", "train", seed, Kind(share))
        reading, content, writing = example.messages
        (read,), (call,) = (m.get("tool_calls", []) for m in (reading, writing))
        assert (read["function"]["name"], call["function"]["name"]) == ("read_file", "write_file")
        arguments = call["function"]["arguments"]
        assert read["function"]["arguments"]["path"] == arguments["path"]
        compile(str(arguments["content"]), "right", "exec")
        lines = content["content"].splitlines(), str(arguments["content"]).splitlines()
        changed.append(sum(line not in lines[1] for line in lines[0]) or lines[0] != lines[1])
        assert example.trained == [False, False, True]
    if share:
        assert max(changed) > 2
    else:
        assert set(changed) <= {1, 2}


def test_a_slip_spoils_one_name_or_mark_of_a_text() -> None:
    text = "def add(left, right):\n    return left + right\n"
    random, changed = Random(0), 0
    for _ in range(200):
        wrong = slipped(random, text, ["left", "right"])
        assert wrong.startswith("def add")
        assert len(wrong.splitlines()) == 2
        changed += wrong != text
    assert changed > 150


def test_drills_with_slips_are_restored_too() -> None:
    plain, slips = (
        drill("functions", "train", 3, kind).messages for kind in (Kind(), Kind(slips=2))
    )
    assert slips[1]["content"] != plain[1]["content"]
    for messages in (plain, slips):
        arguments = messages[2].get("tool_calls", [])[0]["function"]["arguments"]
        compile(str(arguments["content"]), "right", "exec")


def test_a_drill_can_be_of_one_kind_of_bug() -> None:
    for seed in range(40):
        example = drill("functions", "train", seed, Kind(only="swapped arguments"))
        call = example.messages[2].get("tool_calls", [])[0]
        wrong = example.messages[1]["content"]
        right = str(call["function"]["arguments"]["content"])
        assert wrong != right
        assert sorted(re.findall(r"\w+", wrong)) == sorted(re.findall(r"\w+", right))


def test_compounds_are_words_of_their_split_with_pieces_of_either() -> None:
    names = Names(Random(1), "train", compounds=1.0)
    words = {names.word() for _ in range(300)}
    assert {split_of_word(word) for word in words} == {"train"}
    held = [w for w in ("data", "index", "words", "num") if split_of_word(w) == "heldout"]
    assert not set(held) & words
    assert sum(any(h in word for h in held) for word in words) > 0


def test_hard_episodes_are_other_ones_with_more_mistakes() -> None:
    plain, hard = (Series("functions", "train", hard=flag) for flag in (False, True))
    mistakes = [
        sum(not move.trained for seed in range(40) for move in series.episode(seed)[1])
        for series in (plain, hard)
    ]
    assert mistakes[1] > 2 * mistakes[0]
    assert plain.path(Path(), 1) != hard.path(Path(), 1)
    assert plain.episode(1)[0].task.files != hard.episode(1)[0].task.files


def test_a_wrong_path_is_one_that_the_name_of_the_test_suggests() -> None:
    wrong = Counter[str]()
    for seed in range(60):
        made = puzzle("functions", "train", seed, hidden=0.5)
        files = {**made.task.files, **made.task.check.protected}
        (path,) = made.task.solution or {}
        for move in moves(made, 1.0, ["path"]):
            if not move.trained and move.arguments:
                missing = str(move.arguments["path"])
                assert missing not in files
                wrong["hidden" if missing.count("/") < path.count("/") else "other"] += 1
    assert min(wrong["hidden"], wrong["other"]) > 10


def test_real_functions_are_restored() -> None:
    body = "".join(f"    total = total + step{n}\n" for n in range(6))
    text = f"import os\n\n\ndef add(total, step):\n{body}    return total\n\n\ndef short(): pass\n"
    known = real_functions([text, text])
    assert [code.split("(")[0] for code in known] == ["def add"]
    changed = 0
    for seed in range(40):
        example = restored([*known, known[0].replace("add", "more")], seed)
        right = str(
            example.messages[2].get("tool_calls", [])[0]["function"]["arguments"]["content"]
        )
        compile(right, "right", "exec")
        assert "def add" in right or "def more" in right
        changed += example.messages[1]["content"] != right
    assert 8 < changed < 32


def test_plans_differ_only_where_mistakes_are_made() -> None:
    for made in islice(puzzles("functions"), 40):
        straight = moves(made, 0.0)
        assert all(move.trained for move in straight)
        detoured = [move for move in moves(made, 1.0) if move.trained]
        assert detoured[-1] == straight[-1]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_prompts_say_nothing_of_the_bug(family: str) -> None:
    for made in islice(puzzles(family), 60):
        assert not any(fault.bug.kind in made.task.prompt for fault in made.faults)
