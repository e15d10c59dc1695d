"""Heads turned so that their channels look alike (after QuaRot, Ashkboos et al., NeurIPS 2024).

One step must fit all channels of what a head computes, though some are large and most are small.
Any rotation R of a head's channels can be put into the weights around it,

    q k^T = (R q) (R k)^T            proj (A v) = (proj R^T) (A R v)

so that P computes what it did before, at no cost, while each turned channel is a mixture of all the
others and a common step fits. Errors are as large before the rotation as behind it.

Nothing else of a ViT gains by it: what LayerNorm feeds has a range per channel, which a mixture of
the whole residual stream would spoil, and GELU's outputs cannot be turned in advance.
"""

from __future__ import annotations

from typing import Any

import torch
from scipy.linalg import hadamard
from torch import Tensor, nn

from maskaq.models.attention import attention_modules

__all__ = ["rotate_heads", "rotation"]


def rotation(channels: int) -> Tensor:
    """The same orthogonal matrix [d,d] each time: a Hadamard matrix with random signs where there
    is one of this size, a random rotation elsewhere."""
    generator = torch.Generator().manual_seed(channels)
    turn: Tensor
    if channels & (channels - 1):
        turn = torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q
    else:
        signs = torch.randint(0, 2, (channels,), generator=generator) * 2 - 1
        turn = torch.from_numpy(hadamard(channels)).float() / channels**0.5 * signs
    return turn


@torch.no_grad()
def rotate_heads(model: nn.Module) -> None:
    """Turn queries and keys, and values, of every head, in place; the outputs stay as they are.

    Queries and keys are left alone behind a norm of their own, values before one: a norm per
    channel does not go through a rotation.
    """
    for module in attention_modules(model):
        _rotate(module)


def _rotate(module: Any) -> None:
    heads, size = module.num_heads, module.head_dim
    turn = rotation(size).to(module.qkv.weight)
    plain = [isinstance(norm, nn.Identity) for norm in (module.q_norm, module.k_norm, module.norm)]
    parts = [*((0, 1) if all(plain[:2]) else ()), *((2,) if plain[2] else ())]
    weight = module.qkv.weight.view(3, heads, size, -1)  # [3,H,d,C]
    weight[parts] = turn @ weight[parts]
    if module.qkv.bias is not None:
        bias = module.qkv.bias.view(3, heads, size)  # [3,H,d]
        bias[parts] = bias[parts] @ turn.T
    if plain[2]:
        back = module.proj.weight.view(-1, heads, size)  # [C,H,d]
        back.copy_(back @ turn.T)
