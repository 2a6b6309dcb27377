"""Muon, for the matrices of a model, in single precision.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. torch has
one, too, which orthogonalises in bfloat16: on a processor that only imitates that it takes longer
than all else of a step.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the Newton-Schulz iteration, as in the source: steepest at zero."""
_ROUNDS = 5


class Muon:
    """One optimiser for all these matrices; `param_groups` and `state_dict` are as torch's."""

    def __init__(
        self, matrices: "Iterable[torch.Tensor]", lr: float, momentum: float = 0.95
    ) -> None:
        """`lr`: of matrices that are no taller than wide; taller ones take larger steps."""
        import torch

        self.param_groups: list[dict[str, Any]] = [{"params": list(matrices), "lr": lr}]
        self._momentum = momentum
        self._seen = [torch.zeros_like(matrix) for matrix in self._matrices]

    @property
    def _matrices(self) -> "list[torch.Tensor]":
        return self.param_groups[0]["params"]

    def step(self) -> None:
        """Take a step by the gradients."""
        import torch

        with torch.no_grad():
            for shape in dict.fromkeys(matrix.shape for matrix in self._matrices):
                alike = [n for n, m in enumerate(self._matrices) if m.shape == shape]
                self._together(alike, max(1.0, shape[0] / shape[1]) ** 0.5)

    def _together(self, alike: list[int], stretch: float) -> None:
        """Matrices of one shape at a time: many small products are slower than one of all."""
        import torch

        ahead: list[torch.Tensor] = []
        for n in alike:
            gradient = self._matrices[n].grad
            assert gradient is not None  # noqa: S101 - every matrix takes part in the loss
            self._seen[n].lerp_(gradient, 1 - self._momentum)
            ahead.append(gradient.lerp(self._seen[n], self._momentum))
        moves = orthogonal(torch.stack(ahead))
        for n, move in zip(alike, moves, strict=True):
            self._matrices[n].add_(move, alpha=-self.param_groups[0]["lr"] * stretch)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for matrix in self._matrices:
            matrix.grad = None

    def state_dict(self) -> dict[str, Any]:
        """What a run that goes on needs."""
        return {"seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for mine, saved in zip(self._seen, state["seen"], strict=True):
            mine.copy_(saved)


def orthogonal(matrices: "torch.Tensor") -> "torch.Tensor":
    """The nearest matrices whose singular values are all about 1 (0.7 to 1.2), shape (n, a, b)."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x: Any = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
