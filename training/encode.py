"""A dataset as token rows on disk, split into what is trained on and what measures the loss."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillation.example import Example
from distillation.manifest import write_manifest
from sandbox.refused import Refused
from training.recipe import Recipe
from training.tokens import ChatTokenizer, Encoded, RowRefused, encode

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Encoded rows in `folder`: `train.npz` and `eval.npz`, and a manifest written last."""

    folder: Path
    train: int
    evaluation: int
    tokens: int
    """In all rows."""
    trained: int
    """Tokens in all rows that are trained."""
    dropped: dict[str, int]
    """Reason to number of rows."""

    @staticmethod
    def make(examples: Sequence[Example], chat: ChatTokenizer, recipe: Recipe, to: Path) -> "Rows":
        """Encode and split; a row falls on its side by its task, so tasks never straddle.

        Raises:
            Refused: fewer than two rows are left.
        """
        encoded, dropped = _encoded(examples, chat, recipe.max_length)
        if len(encoded) < 2:
            reasons = ", ".join(f"{n} for {reason!r}" for reason, n in dropped.items()) or "none"
            raise Refused(
                f"Only {len(encoded)} rows can be trained on (dropped: {reasons}): "
                "collect more episodes, or raise the recipe's max_length."
            )
        evaluation, train = _split(encoded, recipe)
        to.mkdir(parents=True, exist_ok=True)
        save(to / "train.npz", train)
        save(to / "eval.npz", evaluation)
        rows = [row for _, row in encoded]
        totals = (sum(len(row.ids) for row in rows), sum(row.trained for row in rows))
        result = Rows(to, len(train), len(evaluation), *totals, dropped)
        write_manifest(to / "manifest.json", asdict(result))
        return result

    @staticmethod
    def open(folder: Path) -> "Rows":
        """Rows that were made before.

        Raises:
            FileNotFoundError: they were not, or not to the end.
        """
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        manifest["folder"] = folder
        return Rows(**manifest)


def save(path: Path, rows: Iterable[Encoded]) -> None:
    """Write rows as one flat array of ids, one of masks and the lengths."""
    import numpy

    rows = list(rows)
    numpy.savez_compressed(
        path,
        ids=numpy.array([i for row in rows for i in row.ids], numpy.int32),
        mask=numpy.array([m for row in rows for m in row.mask], numpy.bool_),
        lengths=numpy.array([len(row.ids) for row in rows], numpy.int64),
    )


def load(path: Path) -> "list[tuple[NDArray[numpy.int32], NDArray[numpy.bool_]]]":
    """Rows as written by `save`: ids and mask of each."""
    import numpy

    with numpy.load(path) as stored:
        ids, mask, lengths = stored["ids"], stored["mask"], stored["lengths"]
    cuts = numpy.cumsum(lengths)[:-1]
    return list(zip(numpy.split(ids, cuts), numpy.split(mask, cuts), strict=True))


def _encoded(
    examples: Sequence[Example], chat: ChatTokenizer, max_length: int
) -> tuple[list[tuple[str, Encoded]], dict[str, int]]:
    """Rows with their tasks, and what was dropped and why."""
    rows: list[tuple[str, Encoded]] = []
    dropped: Counter[str] = Counter()
    for example in examples:
        try:
            rows.append((example.task or example.episode, encode(example, chat, max_length)))
        except RowRefused as reason:
            dropped[str(reason)] += 1
    return rows, dict(dropped)


def _split(
    rows: Sequence[tuple[str, Encoded]], recipe: Recipe
) -> tuple[list[Encoded], list[Encoded]]:
    """Evaluation and training rows: tasks in the order of a hash, the first ones evaluate."""
    keys = {task: hashlib.sha256(f"{recipe.seed} {task}".encode()).hexdigest() for task, _ in rows}
    wanted = max(1, round(len(keys) * recipe.eval_share))
    chosen = set(sorted(keys, key=lambda task: keys[task])[:wanted])
    if len(chosen) == len(keys):
        # One task only: its first row evaluates, or there would be nothing to train on.
        return [rows[0][1]], [row for _, row in rows[1:]]
    return (
        [row for task, row in rows if task in chosen],
        [row for task, row in rows if task not in chosen],
    )
