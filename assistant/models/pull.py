"""Bringing a model here: what it is and takes, shown and asked first, then fetched and checked."""

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from agent.models.gguf import GgufHeader
from assistant.config import Config
from assistant.models.hub import Offer, fetch, offer
from assistant.models.known import check_new
from assistant.models.library import GgufFile, Library, chat_header
from assistant.models.memory import available
from assistant.models.presets import presets
from assistant.models.table import size
from assistant.progress import Line
from assistant.untrusted import neutral
from sandbox.refused import Refused


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    name: str
    """That it gets here."""
    repo: str
    file: str

    @staticmethod
    def of(text: str, name: str) -> "Wanted":
        """A preset, or `owner/repo` with or without `:file`.

        Raises:
            Refused: it is neither.
        """
        if preset := presets().get(text):
            return Wanted(name or text, preset.repo, preset.file)
        repo, _, file = text.partition(":")
        if repo.count("/") != 1:
            names = ", ".join(presets())
            raise Refused(f"There is no preset '{text}': use {names}, or owner/repo:file.")
        return Wanted(name, repo, file)


def pull(config: Config, text: str, name: str, *, yes: bool) -> GgufFile:
    """Fetch a model from the hub and take it in.

    Raises:
        Refused: it is not to be had, does not fit, is not for chatting, or nobody said yes.
    """
    library, wanted = Library(config.home), Wanted.of(text, name)
    if wanted.name:
        _free(config, library, wanted.name)
    found = offer(wanted.repo, wanted.file)
    name = wanted.name or Path(found.file).stem.lower()
    _free(config, library, name)
    sys.stderr.write(_shown(library, found))
    agree(f"Fetch it as '{name}'?", yes=yes)
    with library.incoming(name, found.sha256) as part:
        line = Line(sys.stderr)
        try:
            fetch(found, part, Rate(line, "fetching"), Rate(line, "checking"))
        except KeyboardInterrupt:
            line.end()
            sys.stderr.write("What came is kept: the same command goes on where it stopped.")
            raise
        finally:
            line.end()
        header = _whole(part)
        licence = found.licence or header.text("general.license")
        entry = GgufFile(name, found.sha256, found.bytes, found.source, licence)
        return library.keep(part, entry)


def add(config: Config, path: Path, name: str) -> GgufFile:
    """Take a GGUF file from disk in.

    Raises:
        Refused: it is no model for chatting, or the name is taken.
    """
    name = name or path.stem.lower().replace(" ", "-")
    check_new(config, name)
    line = Line(sys.stderr)
    try:
        return Library(config.home).add(path.expanduser(), name, Rate(line, "checking"))
    finally:
        line.end()


def agree(question: str, *, yes: bool) -> None:
    """Go on only with a yes.

    Raises:
        Refused: the answer was another one, or nobody can be asked.
    """
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty()):
        raise Refused(f"{question} Nobody can be asked here: say yes with --yes.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("Nothing was done.")


class Rate:
    """How far something is, how fast it goes and how long it takes yet, as a line."""

    def __init__(self, line: Line, doing: str) -> None:
        """Show it on `line`."""
        self._line, self._doing = line, doing
        self._began, self._first = 0.0, -1
        self._shown = float("-inf")

    def __call__(self, done: int, total: int) -> None:
        """Tell of bytes."""
        now = time.monotonic()
        if self._first < 0:
            self._began, self._first = now, done
        last = done >= total
        if not last and now - self._shown < 0.1:
            return
        self._shown = now
        seconds = now - self._began
        rate = (done - self._first) / seconds if seconds > 0.5 else 0.0
        text = f"{self._doing}  {size(done)} of {size(total)}  {100 * done // max(total, 1)} %"
        if rate:
            text += f"  {size(rate)}/s"
            text += "" if last else f"  {_duration((total - done) / rate)} left"
        self._line.show(text, last=last)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes}:{rest:02d}"


def _free(config: Config, library: Library, name: str) -> None:
    check_new(config, name)
    library.free(name)


def _shown(library: Library, found: Offer) -> str:
    place = next(p for p in (library.folder, *library.folder.parents) if p.exists())
    free, memory = shutil.disk_usage(place).free, available()
    lines = {
        "model": found.source,
        "licence": found.licence or "not said: look at its page",
        "size": f"{size(found.bytes)}, {size(free)} free on disk",
        # Until its header is here: keys, values and room to compute in are a quarter, roughly.
        "memory": f"about {size(1.25 * found.bytes + 3e8)}"
        + (f", {size(memory)} free" if memory is not None else ""),
    }
    # The hub tells what whoever filled the repository wrote: one line each, whatever is in it.
    rows = (neutral(f"{label:<9}{value}").replace("\n", " ") for label, value in lines.items())
    return "".join(f"{row}\n" for row in rows)


def _whole(part: Path) -> GgufHeader:
    """The header of what came; a file that cannot drive a chat does not stay."""
    try:
        return chat_header(part)
    except Refused:
        part.unlink()
        raise
