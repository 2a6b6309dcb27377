"""The loss of weighted rows, and how many of them are foretold exactly."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast

from training.corpus import Row

if TYPE_CHECKING:
    import torch

TOGETHER = 1024
"""Tokens that are computed at a time, padding included: what a processor's cache holds. Four times
as many took 1.4 times as long a token."""


def precision() -> AbstractContextManager[object]:
    """Half precision where the processor multiplies in it; where it imitates that, it is slower."""
    import torch

    cpu: Any = torch.cpu
    return torch.autocast("cpu", torch.bfloat16, enabled=cpu._is_avx512_bf16_supported())


def batches(rows: Sequence[Row], together: int) -> Iterator[list[Row]]:
    """Rows of about one length, as many as fit into `together` tokens."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        # In the order of their lengths the last row is the longest.
        if batch and (len(batch) + 1) * len(row.ids) > together:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def weighted_loss(model: Any, rows: Sequence[Row]) -> "torch.Tensor":  # noqa: ANN401
    """The sum over all tokens of weight times cross entropy."""
    import torch

    ids, weights, _ = padded(rows)
    with precision():
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        counted = weights[:, 1:] > 0
        logits = model.lm_head(hidden[counted])
    losses = torch.nn.functional.cross_entropy(
        logits.float(), ids[:, 1:][counted], reduction="none"
    )
    return (losses * weights[:, 1:][counted]).sum()


def exact(model: Any, rows: Sequence[Row]) -> float:  # noqa: ANN401 - transformers'
    """The share of rows in which each trained token is the likeliest, the right ones before it."""
    import torch

    right = 0
    for batch in batches(rows, TOGETHER):
        ids, _, written = padded(batch)
        with torch.no_grad(), precision():
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
            trained = written[:, 1:]
            wrong = model.lm_head(hidden[trained]).argmax(-1) != ids[:, 1:][trained]
        missed = cast("list[int]", trained.nonzero()[:, 0][wrong].tolist())
        right += len(batch) - len(set(missed))
    return right / len(rows)


def padded(rows: Sequence[Row]) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """Ids, weights and what is written, padded on the right with what does not count."""
    import torch

    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    weights = torch.zeros((len(rows), longest))
    written = torch.zeros((len(rows), longest), dtype=torch.bool)
    for n, row in enumerate(rows):
        ids[n, : len(row.ids)] = torch.tensor(row.ids)
        weights[n, : len(row.ids)] = torch.tensor(row.weights)
        written[n, : len(row.ids)] = torch.tensor(row.written)
    return ids, weights, written
