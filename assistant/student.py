"""The first student, taken over from the package or made when it is first needed."""

import importlib.util
import shutil
from pathlib import Path

from sandbox.refused import Refused
from training import student
from training.registry import Registry
from training.version import ModelVersion

PARTS = ("llama_cpp", "gguf", "tokenizers", "safetensors")
"""What the local student needs."""


def require_parts() -> None:
    """Make sure that the local student's libraries are there.

    Raises:
        Refused: naming what is missing and the command that installs it.
    """
    missing = [part for part in PARTS if importlib.util.find_spec(part) is None]
    if missing:
        raise Refused(
            f"The local student needs {', '.join(missing)}: install the extra with "
            '`pip install "assistant[local]"`, or name another model with --model.'
        )


def make(registry: Registry, id: str = "student", seed: int | None = None) -> ModelVersion:
    """Take the pretrained student in as version `id`; takes seconds.

    `seed`: make an untrained one from it instead, as where the package comes without one.

    Raises:
        Refused: a library is missing, its files cannot be written, or the id is taken.
    """
    require_parts()
    folder = registry.path(id).with_name(f"{id}.new")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fill(folder, seed)
        return registry.add_base(folder, id)
    except Exception as error:
        # How libraries in Rust, and numpy, report a full disk: in exceptions of their own.
        if "(os error" not in str(error) and " requested and " not in str(error):
            raise
        raise Refused(
            f"The student cannot be written to {folder.parent} ({error}): free disk space."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder.with_name(f"{folder.name}.part"), ignore_errors=True)


def _fill(folder: Path, seed: int | None) -> None:
    """Put the files of a first student into a new folder."""
    shipped = student.shipped()
    if shipped is None or seed is not None:
        student.init(folder, seed or 0)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # One by one: of a full disk copytree tells in an error without a number.
    for path in sorted(shipped.iterdir()):
        shutil.copyfile(path, folder / path.name)
