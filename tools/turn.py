"""How a turn goes: the plan that is followed, questions to the user, and its end."""

from dataclasses import dataclass

from tools.call import Final, ToolError
from tools.tool import Context, tool

_MOST_STEPS = 30


@dataclass
class Plan:
    """The steps of the work at hand; the first `done` of them are done."""

    steps: tuple[str, ...] = ()
    done: int = 0

    def __str__(self) -> str:
        """A line a step, with a mark for where the work stands."""
        marks = ["[x]"] * self.done + ["[>]"] + ["[ ]"] * len(self.steps)
        pairs = zip(marks, self.steps, strict=False)
        return "\n".join(f"{mark} {n}. {step}" for n, (mark, step) in enumerate(pairs, 1))


@tool("read")
async def plan(context: Context, steps: tuple[str, ...] = (), done: int = 0) -> str:
    """Keep a todo list for work of several steps; call it again whenever a step is done.

    Args:
        context: The workspace.
        steps: All steps in order, a short line each; empty keeps those of the last call.
        done: How many of the first steps are done; the next one is under way.
    """
    kept = context.memory.of(Plan)
    steps = tuple(" ".join(step.split()) for step in steps) or kept.steps
    if not steps:
        raise ToolError("There is no plan yet; name its steps.")
    if len(steps) > _MOST_STEPS or not all(steps):
        raise ToolError(f"A plan has 1 to {_MOST_STEPS} steps, none of them empty.")
    if not 0 <= done <= len(steps):
        raise ToolError(f"done must be between 0 and {len(steps)}, the number of steps.")
    kept.steps, kept.done = steps, done
    return str(kept)


@tool("read")
async def ask_user(context: Context, question: str, options: tuple[str, ...] = ()) -> str:
    """Ask the user what only they can know; find out everything else yourself.

    Args:
        context: The workspace.
        question: One clear question.
        options: Possible answers; any other answer can be given too.
    """
    if not question.strip():
        raise ToolError("question must not be empty.")
    return await context.ask(question, options) or "The user gave no answer; decide yourself."


@tool("read")
async def finish(context: Context, answer: str) -> str:
    """End your turn when the work is done, or cannot be done.

    Args:
        context: The workspace.
        answer: For the user: what was wrong, what you changed, and how you know that it works.
    """
    if not answer.strip():
        raise ToolError("answer must not be empty.")
    return Final(answer)
