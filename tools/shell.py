"""Running commands and Python code."""

from collections.abc import Sequence

from sandbox.completed import Completed
from tools.call import ToolError
from tools.clip import LIMIT, Clipped
from tools.tool import Context, tool

_LONGEST = 100_000
"""Bytes of one argument; the kernel takes 128 KiB."""
_MOST_SECONDS = 600
_NOTES = 500
"""Room for what is said about the output."""


@tool("run")
async def shell(context: Context, command: str, seconds: int = 120) -> str:
    """Run a shell command in the workspace.

    Args:
        context: The workspace.
        command: For bash.
        seconds: Time limit.
    """
    return await _run(context, ["bash", "-c", command], seconds, "use head, tail or grep")


@tool("run")
async def run_python(context: Context, code: str) -> str:
    """Run Python code in the workspace; print what you want to see.

    Args:
        context: The workspace.
        code: A whole script.
    """
    return await _run(
        context, [context.sandbox.python, "-c", code], context.sandbox.limits.seconds, "print less"
    )


async def _run(context: Context, command: Sequence[str], seconds: float, more: str) -> str:
    """Run with output and errors as one; the last line says how it ended."""
    if len(command[-1].encode(errors="replace")) > _LONGEST or "\0" in command[-1]:
        raise ToolError("Too long to be run, or it holds a NUL; write it to a file and run that.")
    if not 0 < seconds <= _MOST_SECONDS:
        raise ToolError(f"seconds must be between 1 and {_MOST_SECONDS}.")
    completed = await context.sandbox.run(
        command, seconds=seconds, output_bytes=LIMIT - _NOTES, merged=True
    )
    output = completed.stdout + completed.stderr
    newline = "" if not output or output.endswith("\n") else "\n"
    refused = "".join(f"[{sentence}]\n" for sentence in completed.refused)
    shown = f"{output}{newline}{refused}[{ending(completed, seconds)}"
    if completed.truncated:
        return Clipped(f"{shown}; to see what was cut, {more}]")
    return f"{shown}]"


def ending(completed: Completed, seconds: float) -> str:
    """How a command ended, in a few words; `seconds` was its limit."""
    if completed.timed_out:
        return f"stopped after {seconds:g} s"
    if completed.killed:
        return f"killed: {completed.killed}"
    if completed.exit_code < 0:
        return f"killed by signal {-completed.exit_code}"
    return f"exit code {completed.exit_code}"
