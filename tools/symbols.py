"""Definitions and references in the workspace's code."""

from tools.call import ToolError
from tools.ripgrep import dashed
from tools.textfile import inside, missing
from tools.tool import Context, tool

_SECONDS = 60.0
_MISSING = 2
"""The script's exit code where there is no such path."""


@tool("read", more="name a file or a smaller folder with path")
async def symbols(context: Context, name: str = "", path: str = ".") -> str:
    """Show where a name is defined and used, or without a name what the code in path defines.

    Args:
        context: The workspace.
        name: Of a function, class, method or the like; Class.method works too.
        path: File or folder, relative to the workspace.
    """
    place, sandbox = inside(path, context.root), context.sandbox
    if "\0" in name:
        raise ToolError("A name must not hold a NUL.")
    script = [sandbox.base, "-I", "-S", "-B", f"{sandbox.lent}/symbols.py"]
    words = [sandbox.grammars, dashed(place), *([name] if name else [])]
    completed = await sandbox.run(
        [*script, *words], seconds=_SECONDS, env={"PATH": sandbox.programs}
    )
    if completed.timed_out:
        raise ToolError("That took too long; name a file or a smaller folder with path.")
    if completed.exit_code == _MISSING:
        raise missing(path)
    if not completed.ok:
        reason = completed.stderr.strip().rpartition("\n")[2] or f"exit code {completed.exit_code}"
        raise ToolError(f"symbols does not work in this sandbox ({reason}); use search.")
    return completed.stdout.rstrip("\n") or f"[nothing is defined in {path} that symbols can read]"
