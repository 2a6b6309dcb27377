"""The heart of an episode by itself: a file is read, and its bug is named and repaired.

It needs no sandbox and a quarter of an episode's tokens: most of what the student knows of bugs it
learns here, and from whole episodes the way to them.
"""

from agent.message import assistant, observed
from agent.task import Split
from distillation.example import Example
from distillation.programs.program import Puzzle, puzzle
from distillation.programs.tutor import Move, moves
from tools.call import Observation, ToolCall


def drill(family: str, split: Split, seed: int) -> Example:
    """The turns from reading the file to its edit; only the edit is trained."""
    made = puzzle(family, split, seed, units=(1, 1, 1, 1, 2, 2))
    reading, edit = _turns(made)
    content = made.task.files[str((reading.arguments or {})["path"])]
    asked = _call(reading, 1)
    messages = [
        assistant(reading.text, [asked]),
        # As the tool shows it: the compact profile prints no line numbers.
        observed(Observation(asked.id, asked.name, content)),
        assistant(edit.text, [_call(edit, 3)]),
    ]
    return Example(made.task.id, made.task.id, messages, [], [False, False, True])


def _turns(made: Puzzle) -> tuple[Move, Move]:
    plan = moves(made)
    at = next(n for n, move in enumerate(plan) if move.tool == "edit_file")
    return plan[at - 1], plan[at]


def _call(move: Move, index: int) -> ToolCall:
    return ToolCall(f"call_{index}_0", move.tool, move.arguments or {})
