"""Searching the workspace's text."""

from collections.abc import Iterator

from tools.call import ToolError
from tools.ripgrep import ripgrep
from tools.tool import Context, tool

_COLUMNS = 300
_MOST_AROUND = 50


@tool("read", more="use a narrower pattern or path")
async def search(
    context: Context,
    pattern: str,
    path: str = ".",
    kind: str = "",
    around: int = 0,
    literal: bool = False,
) -> str:
    """Find a regular expression in files; gives file:line:text.

    Args:
        context: The workspace.
        pattern: Regular expression; (?i) in front ignores case.
        path: File or folder, relative to the workspace.
        kind: Only such files: py, js, ts, go, rust, md, ...
        around: Lines to show before and after each match.
        literal: The pattern is plain text.
    """
    if not 0 <= around <= _MOST_AROUND:
        raise ToolError(f"around must be between 0 and {_MOST_AROUND}.")
    options = [
        "--line-number", "--with-filename", "--no-heading", "--null", f"--context={around}",
        f"--max-columns={_COLUMNS}", "--max-columns-preview",
    ]  # fmt: skip
    options += ["--fixed-strings"] if literal else []
    options += [f"--type={kind.removeprefix('.')}"] if kind else []
    found = await ripgrep(context, path, [*options, "-e", pattern])
    return "\n".join(_lines(found)) or "[no matches]"


def _lines(found: str) -> Iterator[str]:
    """file:line:text, or file-line-text around a match; a line feed in a name is `\\n`."""
    name = ""
    for line in found.removesuffix("\n").split("\n") if found else ():
        before, nul, rest = line.partition("\0")
        if nul:
            separator = "-" if rest.lstrip("0123456789").startswith("-") else ":"
            yield f"{name}{before}".removeprefix("./") + separator + rest
            name = ""
        elif not name and (line == "--" or line.startswith("[... ") or ": binary file " in line):
            yield line
        else:
            name += f"{line}\\n"
