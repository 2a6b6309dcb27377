"""The teacher of the small student: it knows where the bug is, and shows how one gets there.

Like the reference teacher it works through the real tools. It makes mistakes, too, as a student
would (a wrong path, an edit that does not fit, a repair that is none): those turns are not to be
imitated, the way out of them is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from random import Random

from agent.message import Message, calls
from agent.model import Event
from agent.models.scripted import ScriptedModel, reply
from agent.task import Task
from distillation.programs.program import FAMILIES, Puzzle, puzzle
from distillation.programs.prompts import COMMANDS
from distillation.programs.slips import slipped
from sandbox.refused import Refused
from tools.call import JSON, ToolCall
from tools.schema import ToolSchema

SAYINGS = {
    "list_files": "I look at the files.",
    "shell": "I run the tests.",
    "read_file": "I read {path}.",
    "write_file": "I repair {path}.",
    "edit_file": "I repair {path}.",
}
DONE = "I repaired {path}: it does what it says, and all tests pass now."
NOTHING = "All tests pass: there is nothing to fix. I changed nothing."
DETOURS = ("path", "edit", "repair", "other file")
SLIPS = (*DETOURS, "slip")
"""With what a student copies wrongly, too."""


@dataclass(frozen=True)
class Move:
    """What is said, and the call that goes with it; the last one of an episode has none."""

    text: str
    tool: str = ""
    arguments: dict[str, JSON] | None = None
    trained: bool = True
    """False for a mistake."""
    green: bool | None = None
    """Whether the tests that it runs are to pass; None where it runs none."""


def tutor(made: Puzzle, detours: float = 0.0) -> ScriptedModel:
    """A model that plays the moves of `moves`, for the agent itself."""
    plan = moves(made, detours)

    def play(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> tuple[Event, ...]:
        return event(plan[sum(m["role"] == "assistant" for m in messages)], len(messages))

    return ScriptedModel(play, name="tutor")


def event(move: Move, index: int) -> tuple[Event, ...]:
    """A move as a model's answer; `index` is that of the message."""
    if not move.tool:
        return reply(move.text)
    return reply(move.text, ToolCall(f"call_{index}_0", move.tool, move.arguments or {}))


def moves(made: Puzzle, detours: float = 0.0, kinds: Sequence[str] = DETOURS) -> list[Move]:
    """The way to the solution; `detours` is the chance of each of these kinds of mistake."""
    random = Random(f"moves {made.task.id}")
    wrong = frozenset(kind for kind in kinds if random.random() < detours)
    return list(_Plan(made, random, wrong).moves())


@dataclass(frozen=True)
class _Plan:
    puzzle: Puzzle
    random: Random
    wrong: frozenset[str]

    def moves(self) -> Iterator[Move]:
        path = next(iter(self.puzzle.task.solution or {}))
        named = path in self.puzzle.task.prompt
        if not named:
            yield self._call("list_files")
        yield self._run(green=not self.puzzle.faults)
        if not self.puzzle.faults:
            yield Move(NOTHING)
            return
        yield from self._astray(path, named)
        if not named and PurePosixPath(path).stem not in self._test:
            yield self._call("read_file", path=self._test)
        yield self._call("read_file", path=path)
        yield from self._repair(path)
        yield Move(DONE.format(path=path))

    def next(self, messages: Sequence[Message], path: str, right: str) -> Move:
        """What to do after the last call in this history: read, write, run the tests, or tell."""
        done = [call for message in messages for call in calls(message)][-1:]
        last = done[0] if done else ToolCall("", "")
        at_it = last.arguments.get("path") == path
        if last.name == "read_file" and at_it:
            return self._call("write_file", path=path, content=right)
        if last.name == "write_file" and at_it and last.arguments.get("content") == right:
            return self._run(green=True)
        if last.name == "shell" and "[exit code 0]" in messages[-1]["content"]:
            return Move(DONE.format(path=path))
        return self._call("read_file", path=path)

    def _run(self, green: bool) -> Move:
        return replace(self._call("shell", command=COMMANDS[self.puzzle.runner]), green=green)

    @property
    def _test(self) -> str:
        return next(iter(self.puzzle.task.check.protected))

    def _astray(self, path: str, named: bool) -> Iterator[Move]:
        """What is read instead of the file that matters."""
        others = sorted(p for p in self.puzzle.task.files if p != path and p.endswith(".py"))
        if "other file" in self.wrong and others:
            yield self._call("read_file", False, path=self.random.choice(others))
        if "path" in self.wrong and (missing := self._missing(path, named)):
            yield self._call("read_file", False, path=missing)

    def _missing(self, path: str, named: bool) -> str:
        """A path that is not there: the test's name without its `test_`, or another folder."""
        pure, tested = PurePosixPath(path), PurePosixPath(self._test).name.removeprefix("test_")
        places = [tested, pure.name, *([f"src/{pure.name}"] if named else [])]
        taken = {*self.puzzle.task.files, *self.puzzle.task.check.protected}
        places = [place for place in places if place not in taken]
        return self.random.choice(places) if places else ""

    def _repair(self, path: str) -> Iterator[Move]:
        """From the file that was read to tests that pass."""
        before, right = self.puzzle.faults[0].before, self.puzzle.faults[-1].after
        if "edit" in self.wrong and (miss := self._miss(path, before, right)):
            yield miss
        if "repair" in self.wrong:
            others = [fault.other for fault in self.puzzle.faults if fault.other]
            yield from self._failed(path, self.random.choice([before, *others]))
        if "slip" in self.wrong:
            names = sorted(set(re.findall(r"[a-z_]{3,}", right)))
            yield from self._failed(path, slipped(self.random, right, names))
        yield self._call("write_file", path=path, content=right)
        yield self._run(green=True)

    def _failed(self, path: str, worse: str) -> Iterator[Move]:
        """A repair that is none, and the look at what it made of the file."""
        yield self._call("write_file", trained=False, path=path, content=worse)
        yield self._run(green=False)
        yield self._call("read_file", path=path)

    def _miss(self, path: str, before: str, right: str) -> Move | None:
        """An edit whose old text is not in the file."""
        lines = [line.strip() for line in before.splitlines() if line not in right.splitlines()]
        if not (lines and " " in lines[0]) or lines[0].replace(" ", "  ") in before:
            return None
        old = lines[0].replace(" ", "  ")
        return self._call("edit_file", trained=False, path=path, old=old, new=lines[0])

    def _call(self, tool: str, trained: bool = True, **arguments: JSON) -> Move:
        text = SAYINGS[tool].format(**arguments)
        return Move(text, tool, arguments, trained)


def rescuer(made: Puzzle) -> ScriptedModel:
    """A model that takes over wherever another one has led a task, and repairs it from there."""
    plan = _Plan(made, Random(0), frozenset())
    (path, right), *_ = (made.task.solution or {}).items()

    def play(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> tuple[Event, ...]:
        return event(plan.next(messages, path, right), len(messages))

    return ScriptedModel(play, name="rescuer")


def teacher(task: Task) -> ScriptedModel:
    """The tutor of a generated task, found by the task alone: for collecting, as other teachers.

    Raises:
        Refused: the task was not generated, or by another version of this program.
    """
    return tutor(known(task))


def known(task: Task) -> Puzzle:
    """What only the maker of a generated task knows.

    Raises:
        Refused: as for `teacher`.
    """
    for made in _candidates(task.id):
        if made.task == task:
            return made
    raise Refused(
        f"The task {task.id} was not made by this version's generator, whose tutor knows no other: "
        "use another teacher."
    )


def _candidates(id: str) -> Iterator[Puzzle]:
    """The puzzles that a task of this id can be."""
    family, _, rest = id.partition("/")
    split, _, seed = rest.partition("/")
    if family in FAMILIES and split in ("train", "heldout") and seed.isdecimal():
        for faults in (1, None):
            yield puzzle(family, split, int(seed), faults)
