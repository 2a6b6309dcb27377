"""A version of the student: where it comes from and the files that it consists of."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distillation.manifest import write_manifest
from sandbox.refused import Refused

FORMAT = 1
CARD = "MODEL_CARD.md"
"""What a base that was pretrained has with it."""


@dataclass(frozen=True)
class StoredFile:
    """One file of a version."""

    path: str
    """Relative to the version's folder."""
    sha256: str
    """Hex."""
    bytes: int

    @staticmethod
    def of(folder: Path, path: str) -> "StoredFile":
        """As the file is on disk now."""
        with (folder / path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return StoredFile(path, digest, (folder / path).stat().st_size)


@dataclass(frozen=True)
class ModelVersion:
    """One version. A base has no adapter; every other version names the base it adapts."""

    id: str
    base: str
    """Id of the version that holds the base; its own id if it is one."""
    parent: str | None
    """The version that was active when this one was made."""
    files: dict[str, StoredFile]
    """By role: `base` or `adapter`, `f16`, `q8_0`, `q4_k_m` (all GGUF), and others by path."""
    dataset: str | None = None
    """Hash of the dataset it was trained on."""
    recipe: str | None = None
    """Hash of the recipe."""
    run: str | None = None
    """Hash of dataset, recipe and base: equal runs make equal versions."""
    figures: dict[str, float] = field(default_factory=dict[str, float])
    """Loss before and after, KL divergences, token parity: whatever was measured on the way."""
    created: float = 0.0
    """Seconds since the epoch."""
    format: int = FORMAT

    @property
    def is_base(self) -> bool:
        """Whether it stands alone."""
        return self.base == self.id

    @property
    def is_untrained(self) -> bool:
        """Whether nobody ever taught it anything: a base without a model card."""
        return self.is_base and CARD not in self.files

    @property
    def origin(self) -> str:
        """What it was before, for people."""
        if not self.is_base:
            return f"from {self.parent}"
        return "untrained" if self.is_untrained else "pretrained"

    def write(self, folder: Path) -> None:
        """Write the manifest by rename; it is what makes the folder a version."""
        write_manifest(folder / "manifest.json", asdict(self))

    @staticmethod
    def read(folder: Path) -> "ModelVersion":
        """Read a manifest.

        Raises:
            Refused: there is none, it is broken, or a newer version wrote it.
        """
        path = folder / "manifest.json"
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if record["format"] > FORMAT:
                raise Refused(f"{path} was written by a newer version: upgrade assistant.")
            record["files"] = {role: StoredFile(**f) for role, f in record["files"].items()}
            return ModelVersion(**record)
        except FileNotFoundError as error:
            raise Refused(
                f"There is no model version '{folder.name}': `assistant models` lists them."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(
                f"The manifest {path} is broken ({error}): delete {folder} and retrain."
            ) from error

    def check(self, folder: Path, *, thorough: bool = False) -> None:
        """Make sure that all files are there: their sizes, and if `thorough` their hashes.

        Raises:
            Refused: naming the first file that is missing or is not what was stored.
        """
        for stored in self.files.values():
            path = folder / stored.path
            size = path.stat().st_size if path.is_file() else None
            wrong = (
                "is missing"
                if size is None
                else f"has {size} bytes instead of {stored.bytes}"
                if size != stored.bytes
                else "was changed"
                if thorough and StoredFile.of(folder, stored.path) != stored
                else None
            )
            if wrong:
                raise Refused(
                    f"Model version '{self.id}' is damaged: {path} {wrong}. Roll back with "
                    "`assistant models rollback`, or delete the folder and retrain."
                )
