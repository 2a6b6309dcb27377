"""What llama.cpp computed for a conversation, kept on disk from one process to the next.

llama.cpp's own state files are parsed by C code that believes them. Ours are checked before it
sees a byte: they are of these weights and of this build, whole, and what was written.
"""

import hashlib
import os
import shutil
import tempfile
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agent.models.llama_runtime import LlamaRuntime

_MAGIC = b"assistant llama state 1\n"
_FEWEST = 64
"""Tokens that are worth a file."""
_SAME = 0.9
"""The share of a state from which on another one makes it useless: ends are written anew."""
_SMALL = 64 * 2**20
"""Bytes up to which a file of weights is hashed whole."""
_SAMPLES, _SAMPLE = 256, 65_536
_ABANDONED = 3600.0
"""Seconds after which a file that was never finished is removed."""


@dataclass(frozen=True)
class States:
    """A few states in a folder of the home; the newest are kept.

    Files that are broken, foreign or of something else count as not there. What cannot be written
    is not kept: the next process computes it again.
    """

    folder: Path
    most: int = 4
    """Files."""
    most_bytes: int = 2 * 2**30
    """Of all files together."""

    def keep(self, runtime: LlamaRuntime) -> bool:
        """Write what a context holds; whether that was done."""
        if len(runtime.cells) < _FEWEST or runtime.state_size > self.most_bytes:
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Not the last of the disk for what can be computed again.
            if shutil.disk_usage(self.folder).free < 2 * runtime.state_size:
                return False
            self._write(key(runtime, runtime.computed), runtime.cells, runtime.state())
            self._tidy()
        except OSError:
            return False
        return True

    def recall(self, runtime: LlamaRuntime, prompt: Sequence[int]) -> int:
        """Fill a context that holds nothing with what has most in common with a prompt.

        Returns the number of tokens that were taken from a file: 0 where there was nothing.
        """
        if runtime.cells and runtime.computed == runtime.adapters.key:
            return 0
        wanted = key(runtime, runtime.adapters.key)
        found = [(_common(tokens, prompt), path) for path, tokens in self._of(wanted)]
        shared, path = max(found, default=(0, self.folder))
        if shared < _FEWEST:
            return 0
        try:
            tokens, state = _read(path)
        except (OSError, ValueError):
            with suppress(OSError):
                path.unlink()
            return 0
        if not runtime.restore(tokens, state):
            return 0
        with suppress(OSError):
            os.utime(path)
        return len(tokens)

    def _of(self, wanted: bytes) -> list[tuple[Path, list[int]]]:
        """The files of a key, each with its tokens; those that are plainly broken are not."""
        found: list[tuple[Path, list[int]]] = []
        for path in self._files():
            with suppress(OSError, ValueError), path.open("rb") as file:
                found += [(path, tokens) for given, tokens in [_head(file)] if given == wanted]
        return found

    def _files(self) -> list[Path]:
        try:
            return sorted(self.folder.glob("*.state"))
        except OSError:
            return []

    def _write(self, wanted: bytes, tokens: Sequence[int], state: bytes) -> None:
        of_same = self._of(wanted)
        older = [path for path, held in of_same if _common(held, tokens) >= _SAME * len(held)]
        head = _MAGIC + wanted + len(tokens).to_bytes(4, "little") + array("i", tokens).tobytes()
        digest = hashlib.sha256(head)
        digest.update(state)
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
            part = Path(file.name)
            try:
                for piece in (head, state, digest.digest()):
                    file.write(piece)
            except BaseException:
                part.unlink()
                raise
        part.replace(self.folder / f"{time.time_ns():016x}.state")
        # What the new one goes on from is of no more use.
        for path in older:
            path.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove the oldest beyond the bounds, and what another process never finished."""
        files = sorted(self._files(), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for number, path in enumerate(files):
            total += path.stat().st_size
            if number >= self.most or total > self.most_bytes:
                path.unlink(missing_ok=True)
        for path in self.folder.glob("*.part"):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)


def key(runtime: LlamaRuntime, adapters: str) -> bytes:
    """SHA-256 of all that a state depends on: weights, adapters and their scales, size, build."""
    from llama_cpp import __version__

    parts = (identity(runtime.gguf), adapters, str(runtime.size), __version__)
    return hashlib.sha256("\n".join(parts).encode()).digest()


def identity(weights: Path) -> str:
    """SHA-256, hex, that tells files of weights apart.

    Of a small file's content. Of gigabytes: of 256 samples, and of what the system says of the
    file, its time of change included, which no program can set back.
    """
    status = weights.stat()
    with weights.open("rb") as file:
        if status.st_size <= _SMALL:
            return hashlib.file_digest(file, "sha256").hexdigest()
        facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        digest = hashlib.sha256(repr((*facts, status.st_ctime_ns)).encode())
        for number in range(_SAMPLES):
            file.seek((status.st_size - _SAMPLE) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


def _head(file: IO[bytes]) -> tuple[bytes, list[int]]:
    """Key and tokens at the beginning of a file.

    Raises:
        ValueError: it is none of ours.
    """
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("not a state")
    given, count = file.read(32), int.from_bytes(file.read(4), "little")
    tokens = array("i")
    # A broken count must not make us read, or ask memory for, more than there is.
    tokens.frombytes(file.read(min(4 * count, 2**26)))
    if len(tokens) != count:
        raise ValueError("cut off")
    return given, tokens.tolist()


def _read(path: Path) -> tuple[list[int], bytes]:
    """Tokens and state of a file that is whole.

    Raises:
        ValueError: it is not what was written.
    """
    content = path.read_bytes()
    if hashlib.sha256(memoryview(content)[:-32]).digest() != content[-32:]:
        raise ValueError("changed since it was written")
    with path.open("rb") as file:
        _, tokens = _head(file)
        return tokens, content[file.tell() : -32]


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two texts have in common at their beginning."""
    pairs = zip(left, right, strict=False)
    different = next((at for at, (a, b) in enumerate(pairs) if a != b), None)
    return min(len(left), len(right)) if different is None else different
