"""Files whose names are near to one that is not there: a path is often almost right."""

import asyncio
import heapq
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from tools.call import ToolError
from tools.ripgrep import names
from tools.textfile import inside, missing
from tools.tool import Context

_SHOWN = 3
_COMPARED = 5000
"""Names that are compared letter by letter; of more only those in other folders are looked for."""
_SECONDS = 5.0
"""That the list of files may take: it is a kindness, not what was asked for."""
_LETTERS = 100
"""At the end of each that are: the time grows with the product of both lengths."""


async def nearest(context: Context, path: str) -> list[str]:
    """Up to three files of the workspace: those of the same name first, then those most alike.

    Raises:
        ToolError: as `ripgrep`.
    """
    return await asyncio.to_thread(_nearest, await names(context, ".", seconds=_SECONDS), path)


def _nearest(files: Sequence[str], path: str) -> list[str]:
    wanted = PurePosixPath(path).name
    if len(files) > _COMPARED:
        files = [file for file in files if PurePosixPath(file).name == wanted]

    def likeness(file: str) -> tuple[bool, float]:
        same = PurePosixPath(file).name == wanted
        pair = file[-_LETTERS:], path[-_LETTERS:]
        return same, SequenceMatcher(None, *pair, autojunk=False).ratio()

    return heapq.nlargest(_SHOWN, files, key=likeness)


async def astray(context: Context, path: str) -> ToolError:
    """What to say to a model that reads a file which is not there."""
    error = missing(path)
    if "\ufffd" in path:
        return error
    try:
        near = await nearest(context, inside(path, context.root))
    except ToolError:
        return error
    if not near:
        return error
    return ToolError(f"There is no file {path}. Near it: {', '.join(near)}. list_files shows all.")
