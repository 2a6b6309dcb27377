"""Looking things up in what the installed packages say of themselves."""

from sandbox.launch import entry
from tools.call import ToolError
from tools.tool import Context, tool

_SECONDS = 60.0


@tool("read", more="ask for one function or class by its full name")
async def docs(context: Context, query: str) -> str:
    """Look up Python documentation offline: the standard library and the installed packages.

    Args:
        context: The workspace.
        query: A full name, such as json.dumps or requests.Session, or a few words.
    """
    if "\0" in query or not 0 < len(query.strip()) <= 1000:
        raise ToolError("query must be a name or a few words.")
    sandbox = context.sandbox
    script = entry(sandbox.base, sandbox.lent, "manual")
    completed = await sandbox.run(
        [*script, sandbox.python, query], seconds=_SECONDS, env={"PATH": sandbox.programs}
    )
    if completed.timed_out:
        raise ToolError("That took too long; ask for a full name, such as json.dumps.")
    if not completed.ok:
        reason = completed.stderr.strip().rpartition("\n")[2] or f"exit code {completed.exit_code}"
        raise ToolError(
            f"docs does not work in this sandbox ({reason}); use run_python and help()."
        )
    return completed.stdout.strip() or (
        f"[nothing about {query} in the installed packages; other words, or a full name, may help]"
    )
