"""A text file of the workspace as a model sees it, and back to the same bytes.

Read and kept on write: UTF-8 with and without a byte order mark, UTF-16 with one, Windows-1252 (of
which Latin-1 is a part); line ends, also mixed ones. Bytes that are none of it stay as they are.
"""

import codecs
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sandbox.mounts import WORKDIR
from sandbox.protected import users
from sandbox.tree import Tree, TreeError, name
from tools.call import ToolError
from tools.tool import Context

LARGEST = 2**24
"""Bytes of a file that is held in memory."""
PROBE = 8192
"""Bytes in which a NUL says that a file is no text."""
_UTF16 = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UTF8_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_KINDS = (
    (b"\x7fELF", "ELF program"), (b"\x89PNG", "PNG picture"), (b"\xff\xd8\xff", "JPEG picture"),
    (b"GIF8", "GIF picture"), (b"%PDF", "PDF document"), (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip data"), (b"BZh", "bzip2 data"), (b"\xfd7zXZ", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"), (b"SQLite format 3", "SQLite database"),
    (b"\0asm", "WebAssembly"), (b"\x93NUMPY", "NumPy array"), (b"GGUF", "GGUF model"),
    (b"RIFF", "RIFF sound, picture or film"), (b"\xca\xfe\xba\xbe", "Java class"),
)  # fmt: skip


@dataclass(frozen=True)
class TextFile:
    """A file's text with its own line ends; bytes that are not text are surrogate escapes."""

    raw: str
    encoding: str = "utf-8"

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


def decoded(data: bytes) -> TextFile | None:
    """A file's bytes as text, which `encoded` turns into the same bytes; None where it is none."""
    for mark, encoding in _UTF16:
        if data.startswith(mark):
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                return None
            return None if "\0" in text[:PROBE] else TextFile(text, encoding)
    if b"\0" in data[:PROBE]:
        return None
    try:
        return TextFile(data.decode())
    except UnicodeDecodeError:
        return _legacy(data)


def _legacy(data: bytes) -> TextFile:
    """Not UTF-8: Windows-1252 if nothing in it looks like UTF-8 and it has a character a byte."""
    if not _UTF8_SEQUENCE.search(data):
        try:
            return TextFile(data.decode("cp1252"), "cp1252")
        except UnicodeDecodeError:
            pass
    return TextFile(data.decode("utf-8", "surrogateescape"))


def encoded(text: str, encoding: str) -> bytes:
    """The bytes of a text in an encoding of `TextFile`.

    Raises:
        UnicodeEncodeError: it cannot be said in it.
    """
    return text.encode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")


def relative(path: str, root: Path) -> str:
    """A path as the model names it, relative to the workspace where it is inside."""
    for prefix in (WORKDIR, str(root)):
        if path == prefix or path.startswith(f"{prefix}/"):
            return path[len(prefix) :].strip("/") or "."
    return path


def inside(path: str, root: Path) -> str:
    """The same without detours, for a program that runs in the workspace.

    Raises:
        ToolError: it leads out, or cannot name a file at all.
    """
    try:
        return name(relative(path, root))
    except TreeError as error:
        raise ToolError(str(error)) from error


def opened(path: str, root: Path) -> tuple[BinaryIO, int]:
    """A file of the workspace, open for reading, and its size in bytes.

    Raises:
        ToolError: it is no regular file of the workspace.
        FileNotFoundError: there is no such file.
    """
    try:
        file = Tree(root).open(relative(path, root))
    except TreeError as error:
        raise ToolError(str(error)) from error
    return file, os.fstat(file.fileno()).st_size


def load(path: str, root: Path) -> TextFile:
    """Read a text file of the workspace.

    Raises:
        ToolError: it is no text, too large, or cannot be read.
        FileNotFoundError: there is no such file.
    """
    file, size = opened(path, root)
    with file:
        if size > LARGEST:
            raise ToolError(
                f"{path} is too large for this ({size} bytes); use sed in shell, or run_python."
            )
        data = file.read(LARGEST)
    text = decoded(data)
    if text is None:
        raise binary(path, data, size)
    return text


def save(path: str, context: Context, text: str, encoding: str = "utf-8") -> None:
    """Write a text file of the workspace, and the folders above it.

    Raises:
        ToolError: it cannot be written, or only the user may.
    """
    place = inside(path, context.root)
    if users(place, context.readonly):
        raise ToolError(
            f"{path} belongs to the settings of the user's programs, which only the user changes; "
            "say what should stand there."
        )
    try:
        Tree(context.root).write(place, encoded(text, encoding))
    except UnicodeEncodeError as error:
        if encoding != "cp1252":
            raise ToolError(f"The text for {path} holds half of a character.") from error
        raise ToolError(
            f"{path} is a Windows-1252 file, which has no {text[error.start]!r}; leave that out, "
            "or make the file UTF-8 first, with iconv in shell."
        ) from error
    except (TreeError, FileNotFoundError) as error:
        raise ToolError(str(error)) from error


def missing(path: str) -> ToolError:
    """What to say of a file that is not there."""
    if "\ufffd" in path:
        return ToolError(
            f"There is no file {path}. Where a name shows \ufffd it holds bytes that are not "
            "UTF-8; reach it in shell, with * in their place."
        )
    return ToolError(f"There is no file {path}. list_files shows what there is.")


def binary(path: str, data: bytes, size: int) -> ToolError:
    """What to say of a file that is no text; `data` are its first bytes."""
    kind = next((f"{what}, " for start, what in _KINDS if data.startswith(start)), "")
    look = f"od -A d -t x1z -v -- {shlex.quote(path)} | head -n 20"
    return ToolError(
        f"{path} is not a text file ({kind}{size} bytes). To look at it: shell `{look}`."
    )
