"""The GGUF files of one home: pulled from the hub or added from disk, each with its record."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.models.gguf import GgufHeader
from distillation.manifest import write_manifest
from sandbox.refused import Refused

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_CHUNK = 1 << 22

Tell = Callable[[int, int], None]
"""Told of bytes done and bytes in all."""


@dataclass(frozen=True)
class GgufFile:
    """One file of the library."""

    name: str
    sha256: str
    """Hex."""
    bytes: int
    source: str
    """`owner/repo:file` of the hub, or the path that it was added from."""
    licence: str = ""
    """As the hub or the file says; empty where neither does."""
    added: float = 0.0
    """Seconds since the epoch."""


class Library:
    """Files in `home/gguf`: `NAME.gguf` and `NAME.json`. Several processes may use it at once.

    The record is written last, by rename: a file without one is on its way in.
    """

    def __init__(self, home: Path) -> None:
        """Nothing is written before there is something to write."""
        self.folder = home / "gguf"

    def path(self, name: str) -> Path:
        """Where the file of a name is, or would be."""
        return self.folder / f"{name}.gguf"

    def list(self) -> "list[GgufFile]":
        """All files by name; those whose record or file is not there are left out."""
        found: list[GgufFile] = []
        for record in sorted(self.folder.glob("*.json")):
            try:
                entry = GgufFile(**json.loads(record.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue
            if entry.name == record.stem and self.path(entry.name).is_file():
                found.append(entry)
        return found

    def paths(self) -> dict[str, Path]:
        """The files by name."""
        return {entry.name: self.path(entry.name) for entry in self.list()}

    def find(self, name: str) -> GgufFile | None:
        """The file of this name, if there is one."""
        return next((entry for entry in self.list() if entry.name == name), None)

    def free(self, name: str) -> None:
        """See that a name can be given.

        Raises:
            Refused: it is no name, or it is taken.
        """
        if not _NAME.fullmatch(name):
            raise Refused(
                f"'{name}' cannot be a model's name: use small letters, digits, '.', '-' and '_'."
            )
        if self.find(name):
            raise Refused(
                f"There is a model '{name}' already: choose another with --name, "
                f"or run `assistant models remove {name}`."
            )

    def add(self, source: Path, name: str, tell: Tell) -> GgufFile:
        """Take a file from disk in, as a hard link where that is possible, else as a copy.

        A link costs no space, and lasts where the file itself is deleted or moved.

        Raises:
            Refused: it is no GGUF file for chatting, the name is taken, or the disk is full.
        """
        self.free(name)
        header = chat_header(source)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.incoming(name) as part:
            part.unlink(missing_ok=True)
            try:
                os.link(source.resolve(), part)
            except OSError:
                room(self.folder, source.stat().st_size)
                shutil.copyfile(source, part)
            entry = GgufFile(
                name,
                sha256(part, tell),
                part.stat().st_size,
                str(source.resolve()),
                header.text("general.license"),
            )
            return self.keep(part, entry)

    @contextmanager
    def incoming(self, name: str, digest: str = "") -> Generator[Path]:
        """The place of a file on its way in, which one process at a time may write.

        What an earlier try left there is kept, if it was of the same `digest`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f".{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Refused(f"'{name}' is on its way in already: wait for it.") from error
            part = self.folder / f".{name}-{digest[:16]}.part"
            for other in self.folder.glob(f".{name}-*.part"):
                if other != part and other.name[len(name) + 2 :].count("-") == 0:
                    other.unlink()
            yield part

    def keep(self, part: Path, entry: GgufFile) -> GgufFile:
        """Give a file that has come in whole its name, and write its record."""
        part.rename(self.path(entry.name))
        entry = replace(entry, added=time.time())
        write_manifest(self.folder / f"{entry.name}.json", asdict(entry))
        return entry

    def remove(self, name: str) -> int:
        """Delete a file and its record; returns the bytes it had."""
        (self.folder / f"{name}.json").unlink()
        path = self.path(name)
        size = path.stat().st_size
        path.unlink()
        return size


def chat_header(path: Path) -> GgufHeader:
    """The header of a file that can drive a chat.

    Raises:
        Refused: it is no GGUF file, is an adapter, or has no chat template.
    """
    header = GgufHeader.read(path)
    if header.is_adapter:
        raise Refused(f"{path} is an adapter: add the model that it adapts instead.")
    if not header.template:
        raise Refused(f"{path} carries no chat template: use a model made for chatting.")
    return header


def sha256(path: Path, tell: Tell) -> str:
    """The SHA-256 of a file, hex, telling how far it is."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            tell(done, size)
    return digest.hexdigest()


def room(folder: Path, size: int) -> None:
    """See that a file fits.

    Raises:
        Refused: it does not.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Refused(
            f"{folder} has {free / 1e9:.1f} GB left, and {size / 1e9:.1f} GB are needed: "
            "free disk space."
        )
