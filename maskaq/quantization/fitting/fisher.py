"""How much each block's output matters to P's answer.

The Fisher information of an output o, E[(d log p(y) / d o)^2] with y drawn from P's own answer, is
the curvature of the distance between P and a P with a slightly changed o. BRECQ (Li et al., ICLR
2021) weighs reconstruction errors by it. Averaged over images as here (after APHQ-ViT, Wu et al.,
CVPR 2025), it is stable with few of them. Weights are its root: the information itself is 20 to 50
times as high on the class token, of which few images show too little to be learned from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskaq.quantization.fitting.schedule import block_outputs

__all__ = ["sensitivity"]


def sensitivity(
    p: nn.Module, images: Tensor, prefix: int, generator: torch.Generator, batch: int = 16
) -> list[Tensor]:
    """Weights of each block's output, [T,C] with mean 1; alike for all patches.

    The root of the mean squared gradient of the answer's likelihood, not the square itself.

    Args:
        p: timm ViT, frozen. images: normalised [N,3,S,S]. prefix: tokens before the patches.
        generator: draws the answers.
    """
    sums: list[Tensor] = []
    with block_outputs(p) as outputs:
        for part in images.split(batch):
            outputs.clear()
            logits = p(part.clone().requires_grad_())
            answer = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)  # [B,1]
            likelihood = logits.log_softmax(-1).gather(1, answer).sum()
            squares = [g.square().sum(0) for g in torch.autograd.grad(likelihood, outputs)]  # [T,C]
            sums = [a + b for a, b in zip(sums, squares, strict=True)] if sums else squares
    return [_even_patches(total, prefix) for total in sums]


def _even_patches(squares: Tensor, prefix: int) -> Tensor:
    """The same mean for all patches, [T,C], scaled to mean 1 over everything."""
    patches = squares[prefix:].mean(0, keepdim=True).expand(len(squares) - prefix, -1)  # [N,C]
    weights = torch.cat([squares[:prefix], patches]).sqrt()  # [T,C]
    return weights / weights.mean()
