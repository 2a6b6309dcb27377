"""llama.cpp's own converter, taken from the sources of the llama-cpp-python that is installed.

The installed package has no converter. So the source distribution is fetched by pip once, checked,
and the few files that matter are kept.
"""

import asyncio
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from sandbox.refused import Refused
from training.stage import StageFailed, run_stage

VERSION = "0.3.36"
ARCHIVE = f"llama_cpp_python-{VERSION}.tar.gz"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
_ROOT = f"llama_cpp_python-{VERSION}/vendor/llama.cpp"
_KEPT = (
    "convert_hf_to_gguf.py",
    "convert_lora_to_gguf.py",
    "LICENSE",
    "conversion",
    "gguf-py/gguf",
)


class Converter:
    """The converter's files below `cache`; several processes may share it."""

    def __init__(self, cache: Path) -> None:
        """Nothing is fetched before it is needed."""
        self.folder = cache / f"converter-{VERSION}"
        self._cache = cache

    async def ready(self) -> Path:
        """The folder of the converter, fetched first if it is not there yet.

        Raises:
            Refused: it cannot be had, or is not what was pinned.
        """
        if not self.folder.is_dir():
            self._cache.mkdir(parents=True, exist_ok=True)
            # Below the cache: the rename at the end must not cross file systems.
            with tempfile.TemporaryDirectory(dir=self._cache) as temporary:
                archive = await self._archive(Path(temporary))
                await asyncio.to_thread(_install, archive, Path(temporary), self.folder)
        return self.folder

    async def model(self, folder: Path, path: Path, kind: str = "f16") -> None:
        """Convert the model in `folder` to the GGUF `path`, which appears whole.

        Raises:
            Refused: the converter cannot be had.
            StageFailed: it does not take the model.
        """
        script = "convert_hf_to_gguf.py"
        await self._convert(script, path, ["--outtype", kind, str(folder)])

    async def adapter(self, folder: Path, base: Path, path: Path) -> None:
        """Convert the adapter in `folder`, trained on the model in `base`, to the GGUF `path`.

        In float32: adapters are small, and the exact one costs nothing.

        Raises:
            Refused: the converter cannot be had.
            StageFailed: it does not take the adapter.
        """
        script = "convert_lora_to_gguf.py"
        await self._convert(script, path, ["--outtype", "f32", "--base", str(base), str(folder)])

    async def _convert(self, script: str, path: Path, arguments: list[str]) -> None:
        root = await self.ready()
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        job = {
            "root": str(root),
            "script": script,
            "arguments": ["--outfile", str(part), *arguments],
        }
        await run_stage("training.convert", job, path.with_name(path.name + ".job"))
        if not part.is_file():
            raise StageFailed(f"The converter ended well but wrote no {path.name}.")
        part.replace(path)

    async def _archive(self, temporary: Path) -> Path:
        """The source distribution, from the cache folder or by pip."""
        given = self._cache / ARCHIVE
        if given.is_file():
            return given
        for python in dict.fromkeys((sys.executable, str(getattr(sys, "_base_executable", "")))):
            if python and await _download(python, temporary):
                return temporary / ARCHIVE
        raise Refused(
            f"llama.cpp's converter is missing and pip cannot download it: put {ARCHIVE} into "
            f"{self._cache}, or run `pip download --no-deps --no-binary :all: "
            f"llama-cpp-python=={VERSION}` there."
        )


async def _download(python: str, folder: Path) -> bool:
    """Whether this interpreter's pip fetched the archive into `folder`."""
    command = [
        *(python, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-binary", ":all:", "--dest", str(folder)),
        f"llama-cpp-python=={VERSION}",
    ]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    # The file counts, not the status: pip also builds metadata, which may fail without harm.
    return (folder / ARCHIVE).is_file()


def _install(archive: Path, temporary: Path, folder: Path) -> None:
    """Check and unpack; the folder appears whole.

    Raises:
        Refused: the archive is not the pinned one.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise Refused(
            f"{archive} is not the pinned {ARCHIVE} (SHA-256 {found[:16]}…): delete it and retry."
        )
    part = temporary / "converter"
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (path := _kept(member.name)):
                target = part / path
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None  # noqa: S101 - only for files that are not files
                with source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
    try:
        part.rename(folder)
    except OSError:
        # Another process was faster: its folder is as good as ours.
        if not folder.is_dir():
            raise


def _kept(name: str) -> str | None:
    """Where a member of the archive goes, or None if it is not needed."""
    path = PurePosixPath(name)
    if ".." in path.parts or not path.is_relative_to(_ROOT):
        return None
    inner = path.relative_to(_ROOT)
    return str(inner) if any(inner.is_relative_to(kept) for kept in _KEPT) else None
