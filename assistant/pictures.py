"""Pictures that a text names: the file behind `@shot.png` goes to the model with the text.

Only what the user wrote is searched; text that was piped in names nothing.
"""

import base64
import re
from pathlib import Path
from typing import Any, cast

from agent.message import Image
from agent.model import Model
from sandbox.refused import Refused

MOST = 3_900_000
"""Bytes of one picture: what Anthropic takes, and others do too."""
MOST_TOGETHER = 15_000_000
"""Bytes of all pictures of a text."""

_NAMED = re.compile(r'(?<!\S)@(?:"([^"\n]+)"|(\S+))')
_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_KINDS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


def named(text: str, root: Path) -> dict[str, Image]:
    """The pictures that a text names by `@path` or `@"path with spaces"`, by that path.

    What a file holds decides whether it is a picture. Other files are left to the model, which has
    tools to read them.

    Args:
        text: what the user wrote.
        root: the folder to which paths are relative.

    Raises:
        Refused: a name that ends like a picture's has none behind it, or a picture is too large.
    """
    found: dict[str, Image] = {}
    for quoted, plain in _NAMED.findall(text):
        # A sentence may end after a name.
        name = quoted or plain.rstrip(".,;:!?)")
        if name not in found and (image := _picture(root / Path(name).expanduser(), name)):
            found[name] = image
    if sum(len(image["data"]) for image in found.values()) > MOST_TOGETHER * 4 // 3:
        raise Refused(
            f"The pictures are larger than {MOST_TOGETHER // 1_000_000} MB together: "
            "name fewer of them, or make them smaller."
        )
    return found


def visible(model: Model) -> bool:
    """Whether a model can be given pictures: it says so by an attribute `sees`, or else it can."""
    while not hasattr(model, "sees") and hasattr(model, "inner"):
        model = cast("Any", model).inner
    return bool(getattr(model, "sees", True))


def _picture(path: Path, name: str) -> Image | None:
    """The picture in a file; None where it holds something else."""
    expected = name.lower().endswith(_SUFFIXES)
    try:
        if not path.is_file():
            if expected:
                raise Refused(f"There is no picture {name}: check the path after the @.")
            return None
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except (OSError, ValueError, RuntimeError) as error:
        if expected:
            raise Refused(f"The picture {name} cannot be read: {error}.") from error
        return None
    kind = next((kind for kind, start in _KINDS.items() if start.match(data)), None)
    if kind is None:
        if expected:
            raise Refused(f"{name} is no PNG, JPEG, GIF or WebP picture: convert it to one.")
        return None
    if len(data) > MOST:
        raise Refused(
            f"The picture {name} is larger than {MOST / 1e6:g} MB, the most that models take: "
            "make it smaller."
        )
    return {"media_type": kind, "data": base64.b64encode(data).decode()}
