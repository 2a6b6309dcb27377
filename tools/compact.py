"""Tools with fewer arguments, as small local models were trained on them.

Their schemas never change: a student reads the same bytes as the episodes that it learnt from.
"""

from tools import files
from tools import search as searching
from tools.tool import Context, tool


@tool("read", more=files.read_file.more)
async def read_file(context: Context, path: str, start: int = 1, end: int = 0) -> str:
    """Show a text file, or some of its lines.

    Args:
        context: The workspace.
        path: Relative to the workspace.
        start: First line, counted from 1.
        end: Last line; 0 is the end of the file.
    """
    return await files.read_file.function(context, path, start, end)


@tool("read", more=searching.search.more)
async def search(context: Context, pattern: str, path: str = ".") -> str:
    """Find a regular expression in files; gives file:line:text.

    Args:
        context: The workspace.
        pattern: Regular expression.
        path: File or folder, relative to the workspace.
    """
    return await searching.search.function(context, pattern, path)
