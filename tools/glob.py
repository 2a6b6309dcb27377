"""Finding files by their names."""

import re

from tools.ripgrep import names
from tools.textfile import inside, relative
from tools.tool import Context, tool

_NOT_GIT = "--glob=!.git/"


@tool("read", more="use a narrower pattern or path")
async def glob(context: Context, pattern: str, path: str = ".") -> str:
    """List the files whose names fit a pattern; what git ignores is left out.

    Args:
        context: The workspace.
        pattern: Such as *.py, src/**/test_*.py or *.{js,ts}.
        path: Folder, relative to the workspace.
    """
    folder = inside(path, context.root)
    anchored = _anchored(relative(pattern, context.root), folder)
    fitting = await names(context, folder, ["--hidden", f"--glob={anchored}", _NOT_GIT])
    # A glob also finds what git ignores, so that is asked for by itself.
    kept = set(await names(context, folder, ["--hidden", _NOT_GIT])) if fitting else set[str]()
    found = [name for name in fitting if name in kept]
    return "\n".join(found) if found else f"[no files in {path} fit {pattern}]"


def _anchored(pattern: str, folder: str) -> str:
    """The pattern as one of the workspace; ripgrep knows no other folder."""
    # What is invisible at the end of a glob counts for nothing there, a wildcard counts.
    pattern = pattern.removeprefix("./").replace("\n", "?")
    above = "" if folder == "." else re.sub(r"([*?\[\]{}!\\])", r"\\\1", folder) + "/"
    return f"/{above}{pattern.lstrip('/')}" if "/" in pattern else pattern
