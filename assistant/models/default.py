"""Which model the chat opens with: one line of `config.toml`; its other lines stay as they are."""

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

from sandbox.refused import Refused

_SECTION = re.compile(r"^[ \t]*\[[ \t]*chat[ \t]*\][ \t]*(#.*)?$", re.MULTILINE)
_KEY = re.compile(r"^([ \t]*)model[ \t]*=.*$", re.MULTILINE)
_NEXT = re.compile(r"^[ \t]*\[", re.MULTILINE)


def set_default(home: Path, model: str) -> None:
    """Write `chat.model` into the settings of a home.

    Raises:
        Refused: they are written in a way that cannot be changed by a line; nothing is changed.
    """
    # Some have their settings elsewhere, and a link to them here.
    path = (home / "config.toml").resolve()
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    changed = _changed(text, f'model = "{model}"')
    before, after = _read(text), _read(changed)
    if before is None or after != before | {"chat": before.get("chat", {}) | {"model": model}}:
        raise Refused(f'Set it yourself in {path}: model = "{model}" in the section [chat].')
    part = path.with_name(f"{path.name}.part")
    part.write_text(changed, encoding="utf-8")
    if path.exists():
        shutil.copymode(path, part)
    part.replace(path)


def _changed(text: str, line: str) -> str:
    section = _SECTION.search(text)
    if section is None:
        gap = "\n" if text and not text.endswith("\n") else ""
        return f"{text}{gap}[chat]\n{line}\n"
    end = _NEXT.search(text, section.end())
    stop = end.start() if end else len(text)
    key = _KEY.search(text, section.end(), stop)
    if key:
        return f"{text[: key.start()]}{key[1]}{line}{text[key.end() :]}"
    return f"{text[: section.end()]}\n{line}{text[section.end() :]}"


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
