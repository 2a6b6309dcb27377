"""Looking things up in what the installed packages say of themselves."""

from tools.call import ToolError
from tools.tool import Context, tool

_SECONDS = 60.0
# The packages above are made up: some sandboxes show their folder and none above it.
_START = (
    "import sys; kind = type(sys); above, ours = kind('sandbox'), kind('sandbox.lent'); "
    "above.__path__, ours.__path__ = [], [sys.argv[1]]; "
    "sys.modules.update({'sandbox': above, 'sandbox.lent': ours}); "
    "from sandbox.lent.manual import main; main(*sys.argv[2:])"
)


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
    completed = await sandbox.run(
        search(sandbox.base, sandbox.lent, sandbox.python, query),
        seconds=_SECONDS,
        env={"PATH": sandbox.programs},
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


def search(base: str, lent: str, python: str, query: str) -> list[str]:
    """The command line that answers a query; for the paths see `Sandbox`."""
    return [base, "-I", "-S", "-B", "-c", _START, lent, python, query]
