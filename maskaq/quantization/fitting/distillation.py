"""The masked similarity of head outputs of P and Q (MaskAQ section 2.6 and its released code)."""

import torch
from torch import Tensor

_C2 = 0.03**2  # the constant that stabilises SSIM


def informative_tokens(heads_p: Tensor, ratio: float) -> Tensor:
    """The tokens with the largest mean |head output| of P, over heads and channels.

    Args:
        heads_p: patch tokens of head outputs [B,H,N,d].

    Returns:
        bool [B,N] with max(1, round(ratio N)) True in each row.
    """
    salience = heads_p.abs().mean((1, 3))  # [B,N]
    count = max(1, round(ratio * salience.shape[1]))
    chosen = salience.topk(count, 1).indices  # [B,count]
    return torch.zeros_like(salience, dtype=torch.bool).scatter_(1, chosen, True)  # [B,N]


def head_loss(
    heads_p: Tensor, heads_q: Tensor, mask: Tensor, weight: float, reading: str
) -> Tensor:
    """Masked dissimilarity of P's and Q's head outputs (Eq. 16), mean over batch and heads.

    Args:
        heads_p, heads_q: patch tokens of head outputs [B,H,N,d].
        mask: informative tokens [B,N].
        weight: of informative tokens; the others have weight 1.
        reading: `"paper"`: D compares the d channels of each token, and the D of the tokens are
            averaged with the weights. `"released"`: D compares the tokens of each channel, and the
            weights enter its means and covariances.

    Returns:
        the mean D, []. D is 1 minus the contrast-structure part of SSIM,
        (2 cov + C2) / (var_p + var_q + C2).
    """
    weights = (1 + (weight - 1) * mask.float())[:, None, :, None]  # [B,1,N,1]
    if reading == "released":
        return 1 - _structure(heads_p, heads_q, weights, dim=2).mean()
    dissimilarity = 1 - _structure(heads_p, heads_q, torch.ones_like(weights), dim=3)  # [B,H,N,1]
    return ((weights * dissimilarity).sum(2) / weights.sum(2)).mean()


def _structure(a: Tensor, b: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Weighted contrast-structure similarity along `dim`, which is kept with size 1."""
    weights = weights.expand_as(a)  # [B,H,N,d]
    share = weights / weights.sum(dim, keepdim=True)
    a = a - (share * a).sum(dim, keepdim=True)
    b = b - (share * b).sum(dim, keepdim=True)
    covariance = (share * a * b).sum(dim, keepdim=True)
    power = (share * (a.square() + b.square())).sum(dim, keepdim=True)
    return (2 * covariance + _C2) / (power + _C2)
