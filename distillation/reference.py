"""The reference teacher: a `Model` that knows a task's solution and works its way to it.

It reaches the solution as a careful engineer would, through the same tools that every model has:
look around, run the tests, read the failing code, edit, run the tests again, answer in words. What
it does next depends on nothing but the conversation so far, so an episode can be replayed. It
teaches how to work with the tools; it does not show how a solution is found.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.message import Message
from agent.model import Event
from agent.models.scripted import ScriptedModel, reply
from agent.task import Task
from distillation.edits import edits
from sandbox.refused import Refused
from tools.call import JSON, ToolCall
from tools.schema import ToolSchema

SAYINGS = {
    "look": (
        "I'll look at the project first.",
        "Let me see what is here.",
        "First, a look around.",
    ),
    "test": ("Now the tests, to see what fails.", "I run the tests.", "Let me see the tests fail."),
    "expect": ("What do the tests expect?", "I read the tests to see what is asked for."),
    "read": ("I read {path}.", "Now the code: {path}.", "Let me read {path} before I change it."),
    "edit": ("I change this in {path}.", "This is the place in {path} to change."),
    "write": ("I write {path}.", "Now {path}, whole."),
    "again": ("I run the tests again.", "Do the tests pass now?", "Let me check that it works."),
    "rewrite": ("The tests still fail; I write {path} anew.",),
}

PATIENCE = 20
"""Seconds for a test run: a bug may well be an endless loop."""


@dataclass(frozen=True)
class Move:
    """What is said, and the call that goes with it."""

    text: str
    tool: str
    arguments: dict[str, JSON]


def reference_teacher(task: Task) -> ScriptedModel:
    """A model that drives the agent to the known solution of `task`.

    Raises:
        Refused: the task comes without a solution.
    """
    if not task.solution:
        raise Refused(
            f"The task {task.id} has no solution, which the reference teacher needs: "
            "add `solution` to it, or use another teacher."
        )
    return ScriptedModel(_Plan(task, task.solution).play, name="reference")


@dataclass(frozen=True)
class _Plan:
    task: Task
    solution: dict[str, str]

    def play(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> tuple[Event, ...]:
        """Make the first move that has no observation yet, else answer."""
        seen = [message["content"] for message in messages if message["role"] == "tool"]
        moves = self._moves(seen)
        if len(seen) >= len(moves):
            return reply(self._answer(seen))
        move = moves[len(seen)]
        return reply(move.text, ToolCall(f"call_{len(messages)}", move.tool, move.arguments))

    def _moves(self, seen: Sequence[str]) -> list[Move]:
        """The plan so far; it grows when the tests are seen to fail after the edit."""
        tests = sorted(self.task.check.protected)
        there = [path for path in self.solution if path in self.task.files]
        moves = [self._move("look", "list_files", {}), self._test("test")]
        if tests and len(there) < len(self.solution):
            moves.append(self._move("expect", "read_file", {"path": tests[0]}))
        moves += [self._move("read", "read_file", {"path": path}, path) for path in there]
        for path, new in self.solution.items():
            moves += self._change(path, self.task.files.get(path, ""), new)
        moves.append(self._test("again"))
        if len(seen) >= len(moves) and not _green(seen[len(moves) - 1]):
            for path, new in self.solution.items():
                moves.append(self._write("rewrite", path, new))
            moves.append(self._test("again"))
        return moves

    def _change(self, path: str, old: str, new: str) -> list[Move]:
        moves: list[Move] = []
        for edit in edits(old, new):
            arguments: dict[str, JSON] = {"path": path, "old": edit.search, "new": edit.replace}
            moves.append(self._move("edit", "edit_file", arguments, path))
        return moves or [self._write("write", path, new)]

    def _write(self, saying: str, path: str, new: str) -> Move:
        return self._move(saying, "write_file", {"path": path, "content": new}, path)

    def _test(self, saying: str) -> Move:
        return self._move(saying, "shell", {"command": self._test_words(), "seconds": PATIENCE})

    def _test_words(self) -> str:
        commands = self.task.check.commands
        return " && ".join(" ".join(w.replace("{python}", "python") for w in c) for c in commands)

    def _move(self, saying: str, tool: str, arguments: dict[str, JSON], path: str = "") -> Move:
        choices = SAYINGS[saying]
        # Varied from task to task, the same for a task every time.
        point = hashlib.sha256(f"{self.task.id} {saying} {path}".encode()).digest()[0]
        return Move(choices[point % len(choices)].format(path=path), tool, arguments)

    def _answer(self, seen: Sequence[str]) -> str:
        paths = " and ".join(self.solution)
        if not _green(seen[-1]):
            return f"I changed {paths}, but the tests do not pass yet: the last run shows why."
        failing = re.findall(r"^FAILED \S+?::(\S+)", seen[1], flags=re.MULTILINE)
        was = f"{failing[0]} failed. " if failing else ""
        return f"{was}I changed {paths}; all tests pass now."


def _green(output: str) -> bool:
    return "[exit code 0]" in output
