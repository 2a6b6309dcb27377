"""Running commands and Python code."""

from collections.abc import Sequence

from sandbox.completed import Completed
from tools.call import ToolError
from tools.clip import LIMIT, Clipped
from tools.tool import Context, tool

_LONGEST = 100_000
"""Bytes of one argument; the kernel takes 128 KiB."""
_MOST_SECONDS = 600
NOTES = 500
"""Room for what is said about the output."""
SHELL_MORE = "use head, tail or grep"
PYTHON_MORE = "print less"


@tool("run")
async def shell(context: Context, command: str, seconds: int = 120) -> str:
    """Run a shell command in the workspace.

    Args:
        context: The workspace.
        command: For bash.
        seconds: Time limit.
    """
    completed = await ran(context, ["bash", "-c", command], seconds)
    return told(completed, seconds, SHELL_MORE)


@tool("run")
async def run_python(context: Context, code: str) -> str:
    """Run Python code in the workspace; print what you want to see.

    Args:
        context: The workspace.
        code: A whole script.
    """
    seconds = context.sandbox.limits.seconds
    completed = await ran(context, [context.sandbox.python, "-c", code], seconds)
    return told(completed, seconds, PYTHON_MORE)


async def ran(context: Context, command: Sequence[str], seconds: float) -> Completed:
    """Run with output and errors as one; the last argument is the model's text.

    Raises:
        ToolError: it cannot be run, or not for so long.
    """
    if not 0 < seconds <= _MOST_SECONDS:
        raise ToolError(f"seconds must be between 1 and {_MOST_SECONDS}.")
    checked(command[-1])
    return await context.sandbox.run(
        command, seconds=seconds, output_bytes=LIMIT - NOTES, merged=True
    )


def checked(text: str) -> None:
    """Whether a text can be given to a command.

    Raises:
        ToolError: it cannot.
    """
    if len(text.encode(errors="replace")) > _LONGEST or "\0" in text:
        raise ToolError("Too long to be run, or it holds a NUL; write it to a file and run that.")


def told(completed: Completed, seconds: float, more: str) -> str:
    """A command's output; the last line says how it ended, and how to see what was cut."""
    refused = "".join(f"[{sentence}]\n" for sentence in completed.refused)
    output = completed.stdout + completed.stderr
    return noted(output, ending(completed, seconds), more if completed.truncated else "", refused)


def noted(output: str, how: str, more: str, between: str = "") -> str:
    """Output with its last line; `more` is empty where nothing was cut."""
    newline = "" if not output or output.endswith("\n") else "\n"
    shown = f"{output}{newline}{between}[{how}"
    return Clipped(f"{shown}; to see what was cut, {more}]") if more else f"{shown}]"


def ending(completed: Completed, seconds: float) -> str:
    """How a command ended, in a few words; `seconds` was its limit."""
    if completed.timed_out:
        return f"stopped after {seconds:g} s"
    if completed.killed:
        return f"killed: {completed.killed}"
    if completed.exit_code < 0:
        return f"killed by signal {-completed.exit_code}"
    return f"exit code {completed.exit_code}"
