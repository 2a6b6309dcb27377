"""Searching the workspace's text."""

from tools.ripgrep import ripgrep
from tools.textfile import relative
from tools.tool import Context, tool

_COLUMNS = 300


@tool("read", more="use a narrower pattern or path")
async def search(context: Context, pattern: str, path: str = ".") -> str:
    """Find a regular expression in files; gives file:line:text.

    Args:
        context: The workspace.
        pattern: Regular expression.
        path: File or folder, relative to the workspace.
    """
    place = relative(path, context.root)
    found = await ripgrep(
        context,
        place,
        ["--line-number", "--with-filename", "--no-heading", f"--max-columns={_COLUMNS}",
         "--max-columns-preview", "-e", pattern],
    )  # fmt: skip
    lines = [line.removeprefix("./") for line in found.split("\n") if line]
    return "\n".join(lines) if lines else "[no matches]"
