"""A text file of the workspace as a model sees it, and back to the same bytes."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.mounts import WORKDIR
from sandbox.tree import Tree, TreeError
from tools.call import ToolError

_BINARY_PROBE = 8192


@dataclass(frozen=True)
class TextFile:
    """A file's text with its own line ends; bytes that are not UTF-8 are surrogate escapes."""

    raw: str

    @property
    def crlf(self) -> bool:
        """Every line ends in CR LF."""
        return "\r\n" in self.raw and self.raw.count("\n") == self.raw.count("\r\n")

    @property
    def shown(self) -> str:
        """What a model is shown: line feeds only, no byte order mark, U+FFFD for odd bytes."""
        text = self.raw.removeprefix("\ufeff")
        text = text.replace("\r\n", "\n") if self.crlf else text
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def fitted(self, text: str) -> str:
        """A model's text with this file's line ends."""
        return text.replace("\r\n", "\n").replace("\n", "\r\n") if self.crlf else text


def relative(path: str, root: Path) -> str:
    """A path as the model names it, relative to the workspace where it is inside."""
    for prefix in (WORKDIR, str(root)):
        if path == prefix or path.startswith(f"{prefix}/"):
            return path[len(prefix) :].strip("/") or "."
    return path


def load(path: str, root: Path) -> TextFile:
    """Read a text file of the workspace.

    Raises:
        ToolError: it is missing, no text, or cannot be read.
        FileNotFoundError: there is no such file.
    """
    try:
        data = Tree(root).read(relative(path, root))
    except TreeError as error:
        raise ToolError(str(error)) from error
    if b"\0" in data[:_BINARY_PROBE]:
        raise ToolError(f"{path} is not a text file ({len(data)} bytes).")
    return TextFile(data.decode("utf-8", "surrogateescape"))


def save(path: str, root: Path, text: str) -> None:
    """Write a text file of the workspace, and the folders above it.

    Raises:
        ToolError: it cannot be written.
    """
    try:
        Tree(root).write(relative(path, root), text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as error:
        raise ToolError(f"The text for {path} holds half of a character.") from error
    except (TreeError, FileNotFoundError) as error:
        raise ToolError(str(error)) from error


def missing(path: str) -> ToolError:
    """What to say of a file that is not there."""
    return ToolError(f"There is no file {path}. list_files shows what there is.")
