"""Rotate heads so that one step size fits all of their channels (after QuaRot).

QuaRot: Ashkboos et al., NeurIPS 2024. One step size has to fit all channels of what a head
computes, although a few are large and most are small. Any rotation R of a head's channels can be
merged into the weights around it,

    q k^T = (R q) (R k)^T            proj (A v) = (proj R^T) (A R v)

so that P computes the same at no extra cost, while each rotated channel is a mixture of all
channels and they share a similar range. A rotation does not change the size of rounding errors.

Other tensors of a ViT do not gain: LayerNorm outputs have ranges per channel, which mixing the
channels of the residual stream would make useless, and GELU outputs cannot be rotated in advance.
"""

from typing import Any

import torch
from scipy.linalg import hadamard
from torch import Tensor, nn

from maskaq.models.attention import attention_modules


def rotation(channels: int) -> Tensor:
    """An orthogonal matrix [d,d], the same in every call.

    For a power of two a Hadamard matrix with random signs, else a random orthogonal matrix.
    """
    generator = torch.Generator().manual_seed(channels)
    matrix: Tensor
    if channels & (channels - 1):
        matrix = torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q
    else:
        signs = torch.randint(0, 2, (channels,), generator=generator) * 2 - 1
        matrix = torch.from_numpy(hadamard(channels)).float() / channels**0.5 * signs
    return matrix


@torch.no_grad()
def rotate_heads(model: nn.Module) -> None:
    """Rotate queries and keys, and values, of every head, in place; the output does not change.

    A norm with weights per channel does not commute with a rotation. So queries and keys are not
    rotated where such a norm follows them, nor values where one precedes the projection.
    """
    for module in attention_modules(model):
        _rotate(module)


def _rotate(module: Any) -> None:
    heads, size = module.num_heads, module.head_dim
    matrix = rotation(size).to(module.qkv.weight)
    free = [isinstance(norm, nn.Identity) for norm in (module.q_norm, module.k_norm, module.norm)]
    parts = [*((0, 1) if all(free[:2]) else ()), *((2,) if free[2] else ())]  # of q, k, v
    weight = module.qkv.weight.view(3, heads, size, -1)  # [3,H,d,C]
    weight[parts] = matrix @ weight[parts]
    if module.qkv.bias is not None:
        bias = module.qkv.bias.view(3, heads, size)  # [3,H,d]
        bias[parts] = bias[parts] @ matrix.T
    if free[2]:
        proj = module.proj.weight.view(-1, heads, size)  # [C,H,d]
        proj.copy_(proj @ matrix.T)
