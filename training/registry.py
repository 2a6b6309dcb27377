"""The student's versions on disk, and which of them is active."""

import fcntl
import json
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from distillation.manifest import write_manifest
from sandbox.refused import Refused
from training.version import ModelVersion, StoredFile


@dataclass(frozen=True)
class Weights:
    """What a local model loads."""

    version: str
    """The id."""
    gguf: Path
    """The base."""
    adapter: Path | None
    """The adapter's GGUF, if the version has one."""
    digest: str
    """SHA-256 of what decides the answers, hex; caches of one digest never serve another."""


class Registry:
    """Versions in `home/models`, one folder each. Several processes may use it at once.

    The pointer to the active version is one small file that is replaced by rename: a reader sees
    the old or the new one, never half of it. It holds the way back, too.
    """

    def __init__(self, home: Path) -> None:
        """Nothing is written before there is something to write."""
        self.folder = home / "models"
        self._pointer = self.folder / "active.json"

    def path(self, id: str) -> Path:
        """The folder of a version."""
        if not id or Path(id).name != id or id.startswith("."):
            raise Refused(f"'{id}' is no name of a model version: `assistant models` lists them.")
        return self.folder / id

    def version(self, id: str) -> ModelVersion:
        """One version.

        Raises:
            Refused: there is none of this id, or its manifest is broken.
        """
        return ModelVersion.read(self.path(id))

    def list(self) -> "list[ModelVersion]":
        """All whole versions, oldest first; folders without a readable manifest are left out."""
        found: list[ModelVersion] = []
        for manifest in self.folder.glob("*/manifest.json"):
            try:
                version = ModelVersion.read(manifest.parent)
            except Refused:
                continue
            # Not a folder that is on its way in: it gets its name last.
            if version.id == manifest.parent.name:
                found.append(version)
        return sorted(found, key=lambda version: (version.created, version.id))

    def active_id(self) -> str | None:
        """The active version's id: one small read, cheap enough to ask after every turn.

        Raises:
            Refused: the pointer is broken.
        """
        history = self._history()
        return history[-1] if history else None

    def active(self) -> ModelVersion | None:
        """The active version, its files checked by size; None if there is none yet.

        Raises:
            Refused: it is damaged; the sentence names the file and the mend.
        """
        id = self.active_id()
        if id is None:
            return None
        version = self.version(id)
        version.check(self.path(id))
        return version

    def weights(self, version: ModelVersion) -> Weights:
        """What to load for a version, after checking its files and its base's by size.

        Raises:
            Refused: something is missing or damaged.
        """
        base = self.version(version.base)
        base.check(self.path(base.id))
        version.check(self.path(version.id))
        stored = base.files["base"]
        gguf = self.path(base.id) / stored.path
        if version.is_base:
            return Weights(version.id, gguf, None, stored.sha256)
        adapter = version.files["adapter"]
        return Weights(
            version.id, gguf, self.path(version.id) / adapter.path, stored.sha256 + adapter.sha256
        )

    def add_base(self, folder: Path, id: str = "student") -> ModelVersion:
        """Take a folder made by `student.init` in as a version; active if none was.

        The folder is moved to `models/<id>`.

        Raises:
            Refused: there is a version of this id already.
        """
        roles = {p.name: p.name for p in sorted(folder.iterdir()) if p.name != "base.gguf"}
        files = {"base": "base.gguf"} | roles
        return self.add(folder, ModelVersion(id, base=id, parent=None, files={}), files)

    def add(self, folder: Path, version: ModelVersion, files: dict[str, str]) -> ModelVersion:
        """Move a folder in as a version with these files (role to path), hashing them.

        The version becomes active only if there was none.

        Raises:
            Refused: there is a version of this id already.
        """
        stored = {role: StoredFile.of(folder, path) for role, path in files.items()}
        whole = replace(version, files=stored, created=version.created or time.time())
        with self._locked():
            target = self.path(version.id)
            if (target / "manifest.json").exists():
                raise Refused(f"There is a model version '{version.id}' already: delete it first.")
            shutil.rmtree(target, ignore_errors=True)
            whole.write(folder)
            folder.rename(target)
            if not self._history():
                self._point([version.id])
        return whole

    def promote(self, id: str) -> None:
        """Make a version the active one, after checking every byte of it and of its base.

        Raises:
            Refused: it is missing or damaged; the active version stays.
        """
        self._whole(id)
        with self._locked():
            history = self._history()
            if history[-1:] != [id]:
                self._point([*history, id])

    def rollback(self) -> ModelVersion:
        """Make the version active that was so before; return it.

        Raises:
            Refused: there is none before, or it is damaged; the active version stays.
        """
        with self._locked():
            history = self._history()
            if len(history) < 2:
                raise Refused(
                    "There is no earlier version to go back to: `assistant models` lists all."
                )
            version = self._whole(history[-2])
            self._point(history[:-1])
        return version

    def remove(self, id: str) -> int:
        """Delete a version; returns the bytes that it had.

        Raises:
            Refused: there is none, it is active, or other versions adapt it.
        """
        version = self.version(id)
        with self._locked():
            history = self._history()
            if history[-1:] == [id]:
                raise Refused(f"Version '{id}' is active: use another one first.")
            if users := [each.id for each in self.list() if id == each.base != each.id]:
                raise Refused(f"Version '{id}' is the base of {', '.join(users)}: it stays.")
            if id in history:
                self._point([each for each in history if each != id])
            shutil.rmtree(self.path(id))
        return sum(stored.bytes for stored in version.files.values())

    def free_id(self) -> str:
        """`v` and a number that no version has or had, as far as folders and pointer tell."""
        folders = [path.name for path in self.folder.glob("v*")]
        numbers = [int(id[1:]) for id in [*folders, *self._history()] if id[1:].isdecimal()]
        return f"v{max(numbers, default=0) + 1}"

    def _whole(self, id: str) -> ModelVersion:
        """The version, after checking every byte of it and of its base."""
        version = self.version(id)
        for each in (version, self.version(version.base)):
            each.check(self.path(each.id), thorough=True)
        return version

    def _history(self) -> "list[str]":
        try:
            record: Any = json.loads(self._pointer.read_text(encoding="utf-8"))
            return [str(id) for id in cast("list[str]", record["history"])]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Refused(
                f"{self._pointer} is broken ({error}): delete it and choose a version with "
                "`assistant models use`."
            ) from error

    def _point(self, history: "list[str]") -> None:
        write_manifest(self._pointer, {"history": history})

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        """One writer at a time; the lock dies with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
