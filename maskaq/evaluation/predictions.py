"""What P and Q see in the samples: classes, how sure they are, and where P looks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from maskaq.models.attention import record
from maskaq.regions.mask import patch_attention

BATCH = 64


@dataclass(frozen=True, eq=False)
class Predictions:
    """classes: int64 [2,N], of P and of Q. certainty: their probabilities, float [2,N], in 0..1.
    alpha: attention weight of each patch in P, float [N,patches] (MaskAQ Eq. 4)."""

    classes: Tensor
    certainty: Tensor
    alpha: Tensor


@torch.no_grad()
def predict(p: nn.Module, q: nn.Module, images: Tensor, prefix: int) -> Predictions:
    """Run both models over normalised images [N,3,S,S].

    Args:
        prefix: tokens before the patches.
    """
    classes, certainty, alpha = [], [], []
    for batch in images.split(BATCH):
        with record(p) as maps:
            first = p(batch)
        probabilities = torch.stack([first, q(batch)]).softmax(-1)  # [2,B,K]
        most = probabilities.max(-1)  # [2,B] each
        certainty.append(most.values.cpu())
        classes.append(most.indices.cpu())
        alpha.append(patch_attention(maps, prefix).cpu())
    return Predictions(torch.cat(classes, 1), torch.cat(certainty, 1), torch.cat(alpha))
