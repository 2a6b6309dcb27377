"""The teacher of the small student: it knows where the bug is, and shows how one gets there.

Like the reference teacher it works through the real tools. It makes mistakes, too, as a student
would (a wrong path, an edit that does not fit, a repair that is none): those turns are not to be
imitated, the way out of them is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from random import Random

from agent.message import Message
from agent.model import Event
from agent.models.scripted import ScriptedModel, reply
from agent.task import Task
from distillation.programs.program import FAMILIES, Fault, Puzzle, puzzle
from distillation.programs.prompts import COMMANDS
from sandbox.refused import Refused
from tools.call import JSON, ToolCall
from tools.schema import ToolSchema

SAYINGS = {
    "list_files": "I look at the files.",
    "shell": "I run the tests.",
    "read_file": "I read {path}.",
}
NOTHING = "All tests pass: there is nothing to fix. I changed nothing."
DETOURS = ("path", "edit", "repair", "other file")


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


def moves(made: Puzzle, detours: float = 0.0) -> list[Move]:
    """The way to the solution; `detours` is the chance of each kind of mistake."""
    random = Random(f"moves {made.task.id}")
    wrong = frozenset(kind for kind in DETOURS if random.random() < detours)
    return list(_Plan(made, random, wrong).moves())


@dataclass(frozen=True)
class _Plan:
    puzzle: Puzzle
    random: Random
    wrong: frozenset[str]

    def moves(self) -> Iterator[Move]:
        test = self._call("shell", command=COMMANDS[self.puzzle.runner])
        path = next(iter(self.puzzle.task.solution or {}))
        named = path in self.puzzle.task.prompt
        if not named:
            yield self._call("list_files")
        faults = self.puzzle.faults
        yield replace(test, green=not faults)
        if not faults:
            yield Move(NOTHING)
            return
        if not named and PurePosixPath(path).stem not in self._test:
            yield self._call("read_file", path=self._test)
        yield from self._astray(path, named)
        yield self._call("read_file", path=path)
        for n, fault in enumerate(faults):
            yield from self._repair(fault, replace(test, green=False))
            yield replace(test, green=n == len(faults) - 1)
        yield Move(answer(faults))

    @property
    def _test(self) -> str:
        return next(iter(self.puzzle.task.check.protected))

    def _astray(self, path: str, named: bool) -> Iterator[Move]:
        """What is read instead of the file that matters."""
        others = sorted(p for p in self.puzzle.task.files if p != path and p.endswith(".py"))
        if "other file" in self.wrong and others:
            yield self._call("read_file", False, path=self.random.choice(others))
        pure = PurePosixPath(path)
        if "path" in self.wrong:
            missing = pure.name if len(pure.parts) > 1 else f"src/{pure.name}"
            yield self._call("read_file", False, path=missing)
            if named is False or len(pure.parts) > 1:
                yield self._call("list_files")

    def _repair(self, fault: Fault, test: Move) -> Iterator[Move]:
        """Edits until the fault is gone."""
        before = fault.before
        if "edit" in self.wrong and (miss := self._miss(fault)):
            yield miss
        if "repair" in self.wrong and fault.other:
            other, before = fault.other
            worse = replace(fault, bug=replace(fault.bug, right=other.wrong))
            yield replace(self._edit(worse, fault.before, before), trained=False)
            yield test
            fault = replace(fault, bug=other)
        yield self._edit(fault, before, fault.after)

    def _miss(self, fault: Fault) -> Move | None:
        """An edit whose old text is not in the file."""
        old, new = change(fault.before, fault.after)
        slip = old.replace(" ", "  ", 1) if " " in old else old + " "
        if slip in fault.before:
            return None
        arguments: dict[str, JSON] = {"path": fault.path, "old": slip, "new": new}
        return Move(say(fault), "edit_file", arguments, trained=False)

    def _edit(self, fault: Fault, before: str, after: str) -> Move:
        old, new = change(before, after)
        return Move(say(fault), "edit_file", {"path": fault.path, "old": old, "new": new})

    def _call(self, tool: str, trained: bool = True, **arguments: JSON) -> Move:
        text = SAYINGS[tool].format(**arguments)
        return Move(text, tool, arguments, trained)


def change(before: str, after: str) -> tuple[str, str]:
    """The edit between two texts: few whole lines, the old ones there exactly once.

    The outer white space is left out where one line is replaced by one: it is the same.
    """
    old, new = before.splitlines(True), after.splitlines(True)
    low = 0
    while low < min(len(old), len(new)) and old[low] == new[low]:
        low += 1
    high = 0
    while high < min(len(old), len(new)) - low and old[-1 - high] == new[-1 - high]:
        high += 1
    end = len(old) - high
    if end == low:  # Nothing is replaced: the line behind is named, or the one before.
        behind = low < len(old) and bool(old[low].strip())
        low, end = (low, end + 1) if behind else (low - 1, end)
    while True:
        shown = _shown_edit(old[low:end], new[low : len(new) - len(old) + end])
        if before.count(shown[0]) == 1:
            return shown
        low -= 1


def _shown_edit(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    """Lines as the arguments of an edit, without the white space that both begin or end with."""
    search, replace = "".join(old).rstrip("\n"), "".join(new).rstrip("\n")
    indent = len(search) - len(search.lstrip(" "))
    if replace[:indent].strip() or replace[indent : indent + 1] == " ":
        return search, replace
    return search[indent:], replace[indent:]


_SAID = {
    "missing return": "{unit} does not return its result.",
    "missing case": "{unit} does not handle the empty case.",
    "mutable default": "{unit} keeps its default list between calls.",
    "missing update": "{unit} does not update `{name}`.",
}
_FIXED = {
    "missing return": "{unit} did not return its result",
    "missing case": "{unit} did not handle the empty case",
    "mutable default": "{unit} kept its default list between calls",
    "missing update": "{unit} did not update `{name}`",
}


def _about(fault: Fault, sayings: dict[str, str], other: str) -> str:
    right, wrong = (_shown(piece) for piece in (fault.bug.right, fault.bug.wrong))
    name = (fault.bug.right.split() or [""])[0]
    text = sayings.get(fault.bug.kind, other)
    return text.format(unit=fault.unit, wrong=wrong, right=right, name=name)


def _shown(piece: str) -> str:
    """A piece of code as it is spoken of; no piece at all is called so."""
    return f"`{piece.strip()}`" if piece.strip() else "nothing"


def say(fault: Fault) -> str:
    """What is wrong, before the edit."""
    return _about(fault, _SAID, "{unit} has {wrong} where {right} belongs.")


def answer(faults: Sequence[Fault]) -> str:
    """What was wrong and what was done, in the end."""
    was = " ".join(
        _about(f, _FIXED, "{unit} had {wrong} where {right} belongs") + "." for f in faults
    )
    paths = " and ".join(dict.fromkeys(fault.path for fault in faults))
    return f"{was} I changed {paths}, and all tests pass now."


def teacher(task: Task) -> ScriptedModel:
    """The tutor of a generated task, found by the task alone: for collecting, as other teachers.

    Raises:
        Refused: the task was not generated, or by another version of this program.
    """
    for made in _candidates(task.id):
        if made.task == task:
            return tutor(made)
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
