"""First weights with which a model already copies: what took place before comes again.

A head of the first layer looks at the token before. Heads of the second look for a place where the
token before was the one that is read now, and bring the token that stands there: an induction head
(Olsson et al., "In-context Learning and Induction Heads", 2022), built instead of waited for. On
two cores this model was not seen to find it by itself within an hour. All of it is trained on.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_SHARP = 7.0
"""Of the look at the token before: the bias of each pair of a query and a key."""
_GAIN = 2.0
"""Of queries and keys that look for the same token."""
_SAID = 0.1
"""How loud the token before is noted in the stream."""
_BROUGHT = 0.7
"""How loud a copied token is; louder than the one that is read."""
_SPREAD = 0.06
"""Deviation of the embeddings."""
_STILL = 1e-3
"""Radians a token up to which a pair of dimensions hardly turns over some hundred tokens."""


def build(model: Any) -> None:  # noqa: ANN401 - transformers'
    """Put the heads into the first two layers of an untrained Qwen2 with full key-value heads."""
    import torch

    config = model.config
    width, heads = config.hidden_size, config.num_attention_heads
    size = width // heads
    theta: float = config.rope_parameters["rope_theta"]
    turns = theta ** (-torch.arange(size // 2) / (size // 2))
    read, noted, brought = (_orthogonal(width) for _ in range(3))
    half = width // 2
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(0.0, _SPREAD)
        first, second = (layer.self_attn for layer in model.model.layers[:2])
        for head in range(half // size):
            rows = slice(head * size, (head + 1) * size)
            _look_back(first, rows, turns)
            first.v_proj.weight[rows] = read[rows]
            first.o_proj.weight[:, rows] = _SAID * noted[rows].T
        still = (turns < _STILL).nonzero()[:, 0]
        dims = torch.cat([still, still + size // 2])
        for head in range(heads):
            chosen = torch.randperm(half)[: len(dims)]
            second.q_proj.weight[head * size : (head + 1) * size] = 0.0
            second.k_proj.weight[head * size : (head + 1) * size] = 0.0
            second.q_proj.weight[head * size + dims] = _GAIN * read[chosen]
            second.k_proj.weight[head * size + dims] = _GAIN * noted[chosen]
        second.v_proj.weight.copy_(brought)
        second.o_proj.weight.copy_(_BROUGHT * brought.T)


def _look_back(attention: Any, rows: slice, turns: "torch.Tensor") -> None:  # noqa: ANN401
    """Make a head look at the token before, whatever is read: by its biases alone."""
    import torch

    attention.q_proj.weight[rows] *= 0.1
    attention.k_proj.weight[rows] *= 0.1
    attention.k_proj.bias[rows] = torch.cat([torch.full_like(turns, _SHARP), turns * 0.0])
    # Rotated back by one token: a query and the key of the token before fit exactly.
    attention.q_proj.bias[rows] = _SHARP * torch.cat([torch.cos(turns), -torch.sin(turns)])


def _orthogonal(width: int) -> "torch.Tensor":
    import torch

    linear: Any = torch.linalg
    return linear.qr(torch.randn(width, width))[0]
