"""The settings: defaults, then `config.toml` in the home, then the environment, then `--set`.

`ASSISTANT_CHAT__MODEL=student` in the environment is `model` of section `chat`. A key that does not
exist is refused, and so is a value of the wrong type.
"""

import difflib
import os
import tomllib
from collections import abc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from platformdirs import user_data_path

from agent.limits import EpisodeLimits
from agent.models.settings import ModelSettings
from assistant.bounds import Unfit
from assistant.sections import Chat, Collect, Escalation, Network, Sandbox, Web
from sandbox.refused import Refused
from training.recipe import Recipe


@dataclass(frozen=True)
class Config:
    """Everything that can be set, and where things live."""

    home: Path
    chat: Chat = field(default_factory=Chat)
    models: ModelSettings = field(default_factory=ModelSettings)
    """How models are reached. Keys come from the environment or the keyring, never from a file."""
    limits: EpisodeLimits = field(default_factory=EpisodeLimits)
    """Of one turn."""
    sandbox: Sandbox = field(default_factory=Sandbox)
    network: Network = field(default_factory=Network)
    web: Web = field(default_factory=Web)
    escalation: Escalation = field(default_factory=Escalation)
    collect: Collect = field(default_factory=Collect)
    recipe: Recipe = field(default_factory=Recipe)
    """Of `assistant retrain`."""


Values = Mapping[str, Mapping[str, object]]


def home() -> Path:
    """The folder that holds everything: `$ASSISTANT_HOME`, else the platform's data folder."""
    if given := os.environ.get("ASSISTANT_HOME"):
        return Path(given).expanduser().absolute()
    return user_data_path("assistant", appauthor=False)


def prepare(home: Path) -> None:
    """Make the home, so that what comes after can write there.

    Raises:
        Refused: it cannot be made, or nothing can be written in it.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror
    else:
        problem = None if os.access(home, os.W_OK | os.X_OK) else "nothing can be written there"
    if problem:
        raise Refused(f"The home {home} cannot be used ({problem}): set ASSISTANT_HOME to another.")


def load(changes: Iterable[str] = ()) -> Config:
    """Put the settings together; `changes` are the values of `--set`.

    Raises:
        Refused: naming where it stands, the key, and the mend.
    """
    config = Config(home())
    path = config.home / "config.toml"
    config = _with(config, _file(path), str(path))
    config = _with(config, _environment(os.environ), "the environment")
    return _with(config, _assignments(changes), "--set")


def _file(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"The settings {path} cannot be read: {error}.") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"The settings {path} are not TOML: {error}.") from error


def _environment(environ: Mapping[str, str]) -> dict[str, object]:
    """`ASSISTANT_A__B=c` as `{"a": {"b": "c"}}`, each value a text."""
    found: dict[str, dict[str, object]] = {}
    for name, value in environ.items():
        section, dunder, key = name.removeprefix("ASSISTANT_").lower().partition("__")
        if name.startswith("ASSISTANT_") and dunder:
            found.setdefault(section, {})[key] = _Text(value)
    return cast("dict[str, object]", found)


def _assignments(changes: Iterable[str]) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            raise Refused(f"--set {change}: write it as section.key=value, e.g. chat.mode=edits.")
        found.setdefault(section, {})[key] = _Text(value)
    return cast("dict[str, object]", found)


class _Text(str):
    """A value that came without a type and may stand for a number or a truth."""

    __slots__ = ()


def _with(config: Config, values: Mapping[str, object], source: str) -> Config:
    sections = [f.name for f in fields(config) if is_dataclass(getattr(config, f.name))]
    for name, section in values.items():
        if name not in sections:
            raise Refused(f"{source}: there is no section '{name}'{_closest(name, sections)}.")
        if not isinstance(section, Mapping):
            raise Refused(f"{source}: '{name}' is a section; write [{name}] above its keys.")
        old = getattr(config, name)
        pairs = cast("Mapping[str, object]", section)
        new = dict(_checked(old.__class__, pairs, f"{source}: {name}"))
        try:
            config = replace(config, **{name: replace(old, **new)})
        except Unfit as error:
            raise Refused(f"{source}: {name}.{error}.") from error
    return config


def _checked(
    section: type, values: Mapping[str, object], where: str
) -> Iterator[tuple[str, object]]:
    types = get_type_hints(section)
    for key, value in values.items():
        if key not in types:
            raise Refused(f"{where} has no key '{key}'{_closest(key, types)}.")
        try:
            yield key, _typed(types[key], value)
        except ValueError as error:
            raise Refused(f"{where}.{key} must be {error}, not {value!r}.") from error


def _closest(name: str, names: Iterable[str]) -> str:
    names = sorted(names)
    found = difflib.get_close_matches(name, names, 2, cutoff=0.4)
    meant = " or ".join(f"'{close}'" for close in found)
    return f"; did you mean {meant}" if found else f"; there are {', '.join(names)}"


def _typed(kind: Any, value: object) -> object:  # noqa: ANN401 - a type as `get_type_hints` gives it
    """The value as `kind`.

    Raises:
        ValueError: its text says what would have been right.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value in arguments:
            return str(value)
        raise ValueError(f"one of {', '.join(arguments)}")
    if origin in (Union, UnionType):
        if isinstance(value, _Text) and value.lower() in ("none", ""):
            return None
        return _typed(next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        return _texts(value)
    if origin is abc.Mapping:
        return _tables(arguments[1], value)
    return _SCALARS[kind](value)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, _Text):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    parts = cast("list[object]", value) if isinstance(value, list) else [None]
    if all(isinstance(part, str) for part in parts):
        return tuple(str(part) for part in parts)
    raise ValueError("a list of texts")


def _tables(kind: Any, value: object) -> dict[str, object]:  # noqa: ANN401 - a dataclass
    """Tables of one kind by name, such as `[models.endpoints.mine]`."""
    tables = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {"": None}
    found: dict[str, object] = {}
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise ValueError("tables with names, in config.toml")
        pairs = cast("Mapping[str, object]", table)
        try:
            found[name] = kind(**dict(_checked(kind, pairs, f"'{name}'")))
        except TypeError:
            needed = [f.name for f in fields(kind) if f.default is MISSING]
            raise ValueError(f"tables with {', '.join(needed)}") from None
    return found


def _text(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    raise ValueError("a text")


def _path(value: object) -> Path:
    if isinstance(value, str):
        return Path(value).expanduser()
    raise ValueError("a path")


def _whole(value: object) -> int:
    if isinstance(value, _Text) and value.strip().lstrip("-").isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("a whole number")


def _number(value: object) -> float:
    if isinstance(value, int | float | _Text) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise ValueError("a number")


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, _Text) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("true or false")


_SCALARS: dict[Any, Any] = {str: _text, Path: _path, int: _whole, float: _number, bool: _truth}
