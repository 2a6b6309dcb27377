"""The Hugging Face hub: what a model is before it is fetched, and fetching it."""

import importlib.util
import io
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from assistant.models.library import Tell, room, sha256
from sandbox.refused import Refused

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

TIMEOUT = 20.0
"""Seconds until the hub must have said something."""
_PREFERRED = ("q4_k_m", "q8_0", "q5_k_m", "q4_0")
"""Where a repository has several files and none was named."""
_PARTIAL = 206
"""The status of an answer that begins where it was asked to."""
_TRIES = 5
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


@dataclass(frozen=True)
class Offer:
    """A file on the hub, as the hub tells of it."""

    repo: str
    file: str
    revision: str
    """The commit: what was shown is what is fetched."""
    bytes: int
    sha256: str
    """Hex."""
    licence: str
    """Empty where the hub does not say."""

    @property
    def source(self) -> str:
        """`owner/repo:file`."""
        return f"{self.repo}:{self.file}"


def require_hub() -> None:
    """Make sure that the library is there.

    Raises:
        Refused: with the command that installs it.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise Refused(
            "Fetching models needs huggingface_hub: install the extra with "
            '`pip install "assistant[local]"`.'
        )


def offer(repo: str, file: str = "") -> Offer:
    """Ask the hub for a file; `file` is its name or a part of it, empty for the usual one.

    Raises:
        Refused: there is none, it is not for everybody, or the hub does not answer.
    """
    require_hub()
    import huggingface_hub

    with _explained(repo):
        told = huggingface_hub.HfApi().model_info(repo, files_metadata=True, timeout=TIMEOUT)
    chosen = _chosen(repo, told.siblings or [], file)
    if not (chosen.lfs and chosen.size is not None and told.sha):
        raise Refused(f"The hub has no checksum of {repo}:{chosen.rfilename}: name another file.")
    card = cast("Mapping[str, object]", told.card_data or {})
    licence = str(card.get("license_name") or card.get("license") or "")
    size, digest = chosen.size, chosen.lfs.sha256
    return Offer(repo, chosen.rfilename, told.sha, size, digest, licence)


def fetch(offer: Offer, part: Path, tell: Tell, check: Tell) -> None:
    """Fetch a file, going on behind what `part` holds already, and check it.

    A connection that breaks is taken up again a few times; what came stays in any case.

    Raises:
        Refused: the disk is too small, the hub does not give it, or it is not what was offered.
    """
    from huggingface_hub import utils

    utils.logging.set_verbosity_error()
    utils.disable_progress_bars()
    part.touch()
    if (have := part.stat().st_size) > offer.bytes:
        have = 0
    room(part.parent, offer.bytes - have)
    with _explained(offer.repo), _Counted(part, have, offer.bytes, tell) as file:
        _persist(offer, file)
    if sha256(part, check) != offer.sha256:
        part.unlink()
        raise Refused(
            f"{offer.source} did not arrive as the hub has it (its SHA-256 differs) and is "
            "deleted: pull it again."
        )


def _persist(offer: Offer, file: "_Counted") -> None:
    """Fetch until all is there, as long as something comes."""
    from httpx2 import TransportError

    tries = 0
    while (before := file.tell()) < offer.bytes:
        problem = None
        try:
            _go_on(offer, file)
        except TransportError as error:
            problem = error
        tries = 0 if file.tell() > before else tries + 1
        if tries == _TRIES:
            raise problem or Refused(f"The hub sends nothing of {offer.source}: try again later.")
        if file.tell() < offer.bytes:
            time.sleep(min(8.0, 0.2 * 3**tries))


def _go_on(offer: Offer, file: "_Counted") -> None:
    """Fetch what is not there yet.

    The hub's own download keeps what came only as long as its process lives, and loses up to 10 MB
    with every connection that breaks.
    """
    from huggingface_hub import file_download, utils

    url = file_download.hf_hub_url(offer.repo, offer.file, revision=offer.revision)
    # Asked for every time: where the bytes are is told for an hour.
    place = file_download.get_hf_file_metadata(url, timeout=TIMEOUT).location
    headers = utils.build_hf_headers() | {"accept-encoding": "identity"}
    if urlsplit(place).hostname != urlsplit(url).hostname:
        # The token is the hub's, and of nobody whom it sends us to.
        headers.pop("authorization", None)
    if have := file.tell():
        headers["range"] = f"bytes={have}-"
    session = utils.get_session()
    with session.stream("GET", place, headers=headers, timeout=TIMEOUT) as response:
        utils.hf_raise_for_status(response)
        if have and response.status_code != _PARTIAL:
            file.seek(0)
            file.truncate()
        for piece in response.iter_bytes():
            file.write(piece)
            if file.tell() > offer.bytes:
                # Not what was offered, and without an end perhaps.
                return


class _Counted(io.FileIO):
    """A file that tells how long it is."""

    def __init__(self, path: Path, have: int, size: int, tell: Callable[[int, int], None]) -> None:
        super().__init__(path, "r+")
        self._size, self._news = size, tell
        self.truncate(have)
        self.seek(have)

    def write(self, data: bytes, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        view = memoryview(data)
        while view:
            view = view[super().write(view) :]
        self._news(self.tell(), self._size)
        return len(data)


def _chosen(repo: str, files: "Sequence[RepoSibling]", wanted: str) -> "RepoSibling":
    """The file that is meant.

    Raises:
        Refused: none, or it is not clear which.
    """
    whole = {
        file.rfilename: file
        for file in files
        if file.rfilename.endswith(".gguf")
        and "mmproj" not in file.rfilename
        and not _SPLIT.search(file.rfilename)
    }
    names = [name for name in whole if wanted.lower() in name.lower()]
    if wanted in whole:
        names = [wanted]
    usual = (name for part in _PREFERRED for name in names if part in name.lower())
    if len(names) > 1 and not wanted:
        names = [next(usual, "")] if any(names) else names
    if len(names) == 1 and names[0]:
        return whole[names[0]]
    listed = ", ".join(sorted(names or whole)[:12]) or "none in one piece"
    problem = f"has several files '{wanted}'" if names else f"has no GGUF file '{wanted}'"
    raise Refused(f"{repo} {problem}: name one as {repo}:FILE; there are {listed}.")


@contextmanager
def _explained(repo: str) -> Generator[None]:
    """The hub's failures as one sentence each."""
    from httpx2 import HTTPError
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as error:
        raise Refused(f"'{repo}' is no name on the hub: write owner/repo or a preset.") from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise Refused(_sentence(repo, constants.ENDPOINT, error)) from error


def _sentence(repo: str, hub: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    response = getattr(error, "response", None)
    status: int | None = getattr(response, "status_code", None)
    if isinstance(error, GatedRepoError):
        return (
            f"{repo} is given only to who accepts its terms: do so at {hub}/{repo}, "
            "and set HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return f"{repo} is not on {hub}, or is private: check the name, or set HF_TOKEN."
    if status in (401, 403):
        return f"{hub} does not give {repo} ({status}): check its name and HF_TOKEN."
    if status is not None:
        return f"{hub} fails ({status}): try again later, the same command goes on."
    reason = str(error).partition("\n")[0] or type(error).__name__
    return (
        f"{hub} cannot be reached ({reason}): check the connection or HF_ENDPOINT; "
        "the same command goes on where it stopped."
    )
