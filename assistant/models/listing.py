"""Everything that could drive the chat, in five tables or as objects."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.models.gguf import GgufHeader
from agent.models.open import endpoints
from assistant.config import Config
from assistant.models.cloud import Paid, paid, price
from assistant.models.endpoints import Served, ask
from assistant.models.library import GgufFile, Library
from assistant.models.memory import needed
from assistant.models.presets import Preset, presets
from assistant.models.table import Row, size, table
from assistant.style import Style
from sandbox.refused import Refused
from training.registry import Registry
from training.version import ModelVersion

_SHOWN = 12
"""Models of one endpoint; hubs offer hundreds."""


@dataclass(frozen=True)
class Listing:
    """What there is."""

    chat: str
    """What the chat opens with."""
    active: str | None
    """The student's active version."""
    versions: tuple[ModelVersion, ...]
    files: tuple[tuple[GgufFile, Path], ...]
    served: tuple[Served, ...]
    paid: tuple[Paid, ...]
    presets: Mapping[str, Preset]
    """Those that are not here yet."""

    @staticmethod
    def of(config: Config) -> "Listing":
        """Look; servers are asked, which takes a second at most."""
        registry, library = Registry(config.home), Library(config.home)
        files = library.list()
        names = {entry.name for entry in files}
        answers = [
            each
            for each in ask(endpoints(config.models))
            # The usual ones are only worth a line where something is there.
            if not each.problem or each.endpoint in config.models.endpoints
        ]
        return Listing(
            config.chat.model,
            registry.active_id(),
            tuple(registry.list()),
            tuple((entry, library.path(entry.name)) for entry in files),
            tuple(answers),
            tuple(paid(config.models)),
            {name: preset for name, preset in presets().items() if name not in names},
        )

    def objects(self) -> Iterator[Mapping[str, object]]:
        """For programs: one object a model, its kind in `kind`."""
        for version in self.versions:
            active = version.id == self.active
            yield {"kind": "version"} | asdict(version) | {"active": active}
        for entry, path in self.files:
            yield {"kind": "file"} | asdict(entry) | {"path": str(path)}
        for each in self.served:
            yield {"kind": "endpoint"} | asdict(each)
        for each in self.paid:
            yield {"kind": "cloud"} | asdict(each)
        for name, preset in self.presets.items():
            yield {"kind": "preset", "name": name} | asdict(preset)

    def text(self, style: Style) -> str:
        """For people."""
        parts = [
            self._students(style),
            self._local(style),
            self._endpoints(style),
            self._cloud(style),
            self._presets(style),
            f"The chat opens with {self.chat}.\n",
        ]
        return "\n".join(part for part in parts if part)

    def _students(self, style: Style) -> str:
        if not self.versions:
            return "There is no student yet: `assistant student init` makes one.\n"
        rows = [_version(version) for version in self.versions]
        ids = [version.id for version in self.versions]
        marked = ids.index(self.active) if self.active in ids else None
        return table("student", rows, style, marked)

    def _local(self, style: Style) -> str:
        rows = [_file(entry, path) for entry, path in self.files]
        return table("files", rows, style, self._used([entry.name for entry, _ in self.files]))

    def _endpoints(self, style: Style) -> str:
        rows: list[Row] = []
        for each in self.served:
            rows += [(f"{each.endpoint}:{name}", each.url) for name in each.models[:_SHOWN]]
            if more := len(each.models) - _SHOWN:
                rows += [(f"{each.endpoint}:…", f"{more} more")] if more > 0 else []
            if not each.models:
                rows.append((f"{each.endpoint}:…", f"{each.url}  {each.problem or 'no models'}"))
        return table("endpoints", rows, style, self._used([row[0] for row in rows]))

    def _cloud(self, style: Style) -> str:
        rows = [(p.name, p.model, price(p.model), p.key) for p in self.paid]
        return table(
            "cloud (prices for a million tokens)",
            rows,
            style,
            self._used([p.name for p in self.paid]),
        )

    def _presets(self, style: Style) -> str:
        rows = [
            (name, f"{p.size:.1f} GB", f"{p.memory:.1f} GB of memory", p.about)
            for name, p in self.presets.items()
        ]
        return table("to be had with `assistant models pull NAME`", rows, style)

    def _used(self, names: list[str]) -> int | None:
        return names.index(self.chat) if self.chat in names else None


def _version(version: ModelVersion) -> Row:
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.created))
    figures, parts = version.figures, list[str]()
    if "rows" in figures:
        parts.append(f"{figures['rows']:.0f} episodes")
    if "eval_loss" in figures:
        parts.append(f"loss {figures['eval_loss_before']:.2f} to {figures['eval_loss']:.2f}")
    if "kl_adapter" in figures:
        parts.append(f"KL {figures['kl_adapter']:.0e}")
    kind = version.origin
    return (version.id, created, kind, " · ".join(parts))


def _file(entry: GgufFile, path: Path) -> Row:
    try:
        header = GgufHeader.read(path)
    except Refused:
        return (entry.name, size(entry.bytes), "damaged", entry.source)
    memory = f"{size(needed(header, entry.bytes))} of memory"
    return (entry.name, size(entry.bytes), header.quantisation, memory, entry.source)
