"""Making a version: a frozen dataset through tokens and QLoRA to GGUF files that were checked."""

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.models.llama import LlamaModel
from agent.models.settings import ModelSettings
from distillation.dataset import Dataset
from distillation.example import Example
from distillation.manifest import write_manifest
from training import parity
from training.converter import Converter
from training.encode import Rows
from training.export import Export
from training.progress import Progress, Tell
from training.recipe import Recipe
from training.stage import News, run_stage
from training.tokens import ChatTokenizer


@dataclass(frozen=True)
class Making:
    """One run in `folder`; a stage whose product is there is not run again."""

    home: Path
    folder: Path
    base: Path
    """The base's Hugging Face folder, with its `base.gguf`."""
    dataset: Dataset
    recipe: Recipe
    tell: Tell

    @property
    def adapter(self) -> Path:
        """peft's folder."""
        return self.folder / "adapter"

    @property
    def export(self) -> Export:
        """The files that are made."""
        converter = Converter(self.home / "cache")
        return Export(self.folder / "export", self.base, self.adapter, converter)

    async def run(self) -> dict[str, float]:
        """Run all stages; return the figures.

        Raises:
            Refused: a stage failed, or a file does not answer as the trained model does.
        """
        chat = ChatTokenizer.open(self.base)
        examples = self.dataset.examples()
        rows = await self._rows(examples, chat)
        equal = await self._parity(examples, chat)
        trained = await self._train()
        await self.export.make(self.tell)
        found = await self.export.measure(rows.folder / "eval.npz", self.tell)
        return {
            "rows": rows.train + rows.evaluation,
            "tokens": rows.tokens,
            "trained_tokens": rows.trained,
            "token_parity": equal,
            **trained,
            **{f"kl_{role}": entry.mean for role, entry in found.items()},
        }

    async def _rows(self, examples: list[Example], chat: ChatTokenizer) -> Rows:
        folder = self.folder / "rows"
        try:
            rows = Rows.open(folder)
        except FileNotFoundError:
            config = json.loads((self.base / "config.json").read_text(encoding="utf-8"))
            context = int(config.get("max_position_embeddings") or self.recipe.max_length)
            recipe = replace(
                self.recipe, max_length=min(self.recipe.max_length or context, context)
            )
            rows = await asyncio.to_thread(Rows.make, examples, chat, recipe, folder)
        reasons = "".join(f"; {n} dropped: {reason}" for reason, n in rows.dropped.items())
        text = (
            f"{rows.train} rows to train on, {rows.evaluation} to measure; "
            f"{rows.tokens} tokens, {rows.trained} of them trained{reasons}"
        )
        self.tell(Progress("encode", text, 1.0, {"tokens": rows.tokens, "trained": rows.trained}))
        return rows

    async def _parity(self, examples: list[Example], chat: ChatTokenizer) -> int:
        """Before training: if the tokens differ, the time would be lost."""
        path = self.folder / "parity.json"
        if not path.exists():
            served = LlamaModel(self.base / "base.gguf", settings=ModelSettings(context=512))
            try:
                fed = served.prompt_tokens
                equal = await asyncio.to_thread(parity.check, examples, chat, fed)
            finally:
                await served.close()
            write_manifest(path, equal)
        equal = int(json.loads(path.read_text(encoding="utf-8")))
        text = f"llama.cpp is fed the training tokens: equal in {equal} of {len(examples)} episodes"
        self.tell(Progress("encode", text, 1.0, {"token_parity": equal}))
        return equal

    async def _train(self) -> dict[str, float]:
        path = self.adapter / "manifest.json"
        if not path.exists():
            job = {
                "base": str(self.base),
                "rows": str(self.folder / "rows"),
                "out": str(self.adapter),
                "recipe": asdict(self.recipe),
            }
            await run_stage("training.lora", job, self.folder / "lora.job", self._news)
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        losses = [entry["loss"] for entry in manifest["curve"] if "loss" in entry]
        figures = {
            "steps": manifest["steps"],
            "best_step": manifest["best_step"],
            "eval_loss_before": manifest["eval_loss_before"],
            "eval_loss": manifest["eval_loss"],
            "loss_first": losses[0],
            "loss_last": losses[-1],
        }
        text = (
            f"loss {losses[0]:.3f} to {losses[-1]:.3f}; on unseen rows "
            f"{manifest['eval_loss_before']:.3f} to {manifest['eval_loss']:.3f} "
            f"at step {manifest['best_step']}, which is kept"
        )
        self.tell(Progress("train", text, 1.0, figures))
        return figures

    def _news(self, news: News) -> None:
        values = {name: float(value) for name, value in news.items()}
        parts = [f"step {news['step']} of {news['of']}"]
        parts += [f"loss {values['loss']:.3f}"] if "loss" in values else []
        parts += [f"on unseen rows {values['eval_loss']:.3f}"] if "eval_loss" in values else []
        if "tokens_per_second" in values:
            parts.append(f"{values['tokens_per_second']:.0f} tokens/s")
            parts.append(f"{values['eta']:.0f} s to go")
        self.tell(Progress("train", ", ".join(parts), values["step"] / values["of"], values))
