"""From an adapter to GGUF files: merge, convert, quantise."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from training import fidelity
from training.converter import Converter
from training.fidelity import Fidelity
from training.progress import Progress, Tell
from training.quantize import KINDS
from training.stage import run_stage


@dataclass(frozen=True)
class Export:
    """The files of one adapter in `folder`, each of which appeared whole."""

    folder: Path
    base: Path
    """The Hugging Face folder of the base, with its `base.gguf`."""
    adapter: Path
    """peft's folder."""
    converter: Converter

    @property
    def merged(self) -> Path:
        """Base and adapter as one Hugging Face folder; large, and only needed on the way."""
        return self.folder / "merged"

    @property
    def files(self) -> dict[str, Path]:
        """Role to GGUF."""
        return {
            "adapter": self.folder / "adapter.gguf",
            "f16": self.folder / "f16.gguf",
            **{kind: self.folder / f"{kind}.gguf" for kind in KINDS},
        }

    async def make(self, tell: Tell) -> None:
        """Make what is not there yet.

        Raises:
            Refused: the converter cannot be had.
            StageFailed: a step failed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.files["adapter"].exists() and self.files["f16"].exists()):
            await self.converter.ready()
        try:
            async with asyncio.TaskGroup() as group:
                # Beside the others, of which it needs nothing: most of the time is start-up.
                group.create_task(self._adapter())
                await self._model(tell)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _adapter(self) -> None:
        if not (product := self.files["adapter"]).exists():
            await self.converter.adapter(self.adapter, self.base, product)

    async def _model(self, tell: Tell) -> None:
        f16 = self.files["f16"]
        steps: list[tuple[str, Path, Callable[[], Awaitable[None]]]] = [
            ("merge the adapter into the base", self.merged, self._merge),
            ("convert the merged model", f16, lambda: self.converter.model(self.merged, f16)),
            *(
                (f"quantise to {kind.upper()}", self.files[kind], self._quantiser(kind))
                for kind in KINDS
            ),
        ]
        for n, (text, product, step) in enumerate(steps):
            tell(Progress("export", text, n / len(steps)))
            if not product.exists():
                await step()

    async def measure(self, rows: Path, tell: Tell) -> dict[str, Fidelity]:
        """Compare every file with the merged model on encoded rows, and judge.

        Raises:
            Refused: a file is too far from the trained model.
            StageFailed: the comparison failed.
        """
        out = self.folder / "fidelity.json"

        if not out.exists():
            job = {
                "merged": str(self.merged),
                "base": str(self.base / "base.gguf"),
                "files": {role: str(path) for role, path in self.files.items()},
                "rows": str(rows),
                "out": str(out),
            }
            await run_stage("training.fidelity", job, self.folder / "fidelity.job")
        found = fidelity.load(out)
        texts = [
            f"{role} {entry.mean:.1e}"
            + (f" (at most {fidelity.BARS[role]:.0e})" if role in fidelity.BARS else "")
            for role, entry in found.items()
        ]
        figures = {f"kl_{role}": entry.mean for role, entry in found.items()}
        text = f"KL divergence from what was trained: {', '.join(texts)}"
        tell(Progress("fidelity", text, 1.0, figures))
        fidelity.judge(found)
        return found

    async def _merge(self) -> None:
        job = {"base": str(self.base), "adapter": str(self.adapter), "out": str(self.merged)}
        await run_stage("training.merge", job, self.folder / "merge.job")

    def _quantiser(self, kind: str) -> Callable[[], Awaitable[None]]:
        async def quantise() -> None:
            job = {
                "source": str(self.files["f16"]),
                "kind": kind,
                "out": str(self.files[kind]),
            }
            await run_stage("training.quantize", job, self.folder / f"{kind}.job")

        return quantise

    def finish(self) -> dict[str, str]:
        """Drop what was only needed on the way; return role to file name, for the registry.

        The adapter in peft's form is added: it is what another base format would be made from.
        """
        shutil.rmtree(self.merged, ignore_errors=True)
        shutil.copytree(self.adapter, self.folder / "adapter", dirs_exist_ok=True)
        paths = sorted((self.folder / "adapter").iterdir())
        others = {f"adapter/{path.name}": f"adapter/{path.name}" for path in paths}
        return {role: path.name for role, path in self.files.items()} | others
