"""Predictions of P and Q on the synthetic images, and P's attention to each patch of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from maskaq.models.attention import record
from maskaq.regions.mask import patch_attention

BATCH = 64


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted classes, their probabilities, and P's attention weights.

    classes: int64 [2,N], of P and of Q. certainty: probabilities of these classes, float [2,N].
    alpha: P's attention weight of each patch, float [N,patches] (MaskAQ Eq. 4).
    """

    classes: Tensor
    certainty: Tensor
    alpha: Tensor


@torch.no_grad()
def predict(p: nn.Module, q: nn.Module, images: Tensor, prefix: int) -> Predictions:
    """Run both models on normalised images [N,3,S,S].

    Args:
        prefix: number of tokens before the patches.
    """
    classes, certainty, alpha = [], [], []
    for batch in images.split(BATCH):
        with record(p) as maps:
            logits = p(batch)
        probabilities = torch.stack([logits, q(batch)]).softmax(-1)  # [2,B,K]
        best = probabilities.max(-1)  # [2,B] each
        certainty.append(best.values.cpu())
        classes.append(best.indices.cpu())
        alpha.append(patch_attention(maps, prefix).cpu())
    return Predictions(torch.cat(classes, 1), torch.cat(certainty, 1), torch.cat(alpha))
