"""Fisher weights: how much each block output matters to P's prediction.

The Fisher information of an output o, E[(d log p(y) / d o)^2] with y sampled from P's prediction,
is the curvature of the KL divergence between P and a P whose o is slightly changed. BRECQ (Li et
al., ICLR 2021) weights reconstruction errors by it. Averaging over images (after APHQ-ViT, Wu et
al., CVPR 2025) makes it stable with few of them. The weights here are its square root: the
information itself is 20 to 50 times higher on the class token, too high to learn from few images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskaq.quantization.fitting.schedule import block_outputs


def fisher_weights(
    p: nn.Module, images: Tensor, prefix: int, generator: torch.Generator, batch: int = 16
) -> list[Tensor]:
    """Weights of each block's output, [T,C] with mean 1; the same for all patches.

    The root of the mean squared gradient of log p(y).

    Args:
        p: timm ViT, frozen.
        images: normalised [N,3,S,S].
        prefix: number of prefix tokens.
        generator: samples y.
    """
    sums: list[Tensor] = []
    with block_outputs(p) as outputs:
        for part in images.split(batch):
            outputs.clear()
            logits = p(part.clone().requires_grad_())
            y = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)  # [B,1]
            likelihood = logits.log_softmax(-1).gather(1, y).sum()  # []
            squares = [g.square().sum(0) for g in torch.autograd.grad(likelihood, outputs)]  # [T,C]
            sums = [a + b for a, b in zip(sums, squares, strict=True)] if sums else squares
    return [_root_weights(total, prefix) for total in sums]


def _root_weights(squares: Tensor, prefix: int) -> Tensor:
    """Root of squares [T,C], averaged over patches and scaled to mean 1: [T,C]."""
    patches = squares[prefix:].mean(0, keepdim=True).expand(len(squares) - prefix, -1)  # [N,C]
    weights = torch.cat([squares[:prefix], patches]).sqrt()  # [T,C]
    return weights / weights.mean()
