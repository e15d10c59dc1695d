"""How alike the attention of the patches is, and the entropy of that likeness.

Rows of an attention map that all look alike mean that the model finds nothing in the image. MaskAQ
(Qian et al. 2026, Eq. 5-10) therefore spreads the cosine similarities S of all pairs of rows and
measures the spread by their differential entropy, with a Gaussian in place of the histogram:

    H = 0.5 * log(2 pi e var(S))

`kernel_density` and `kernel_entropy` estimate the true density instead, for plots.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "gaussian_entropy",
    "kernel_density",
    "kernel_entropy",
    "patch_similarity",
    "similarity_moments",
]


def patch_similarity(rows: Tensor) -> Tensor:
    """Cosine similarity of every pair of rows (MaskAQ Eq. 5): [..,N,D] -> [..,N,N] in -1..1.

    A row of zeros is similar to nothing, itself included.

    >>> patch_similarity(torch.tensor([[3.0, 0.0], [0.0, 2.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    unit = functional.normalize(rows, dim=-1)
    return unit @ unit.mT  # [..,N,N]


def similarity_moments(
    rows: Tensor, diagonal: bool, products: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance of the similarities of all pairs of rows (MaskAQ Eq. 8, 9).

    Args:
        rows: [..,N,D], N at least 2.
        diagonal: count each row's similarity with itself, too, as MaskAQ's released code does.
        products: precision of the products of matrices, that of the rows by default. In bfloat16
            the variance is right to 1 %.

    Returns:
        mean [..] and biased variance [..].
    """
    unit = functional.normalize(rows, dim=-1)
    mean, variance = _Moments.apply(unit, diagonal, products or rows.dtype)
    return mean, variance


class _Moments(torch.autograd.Function):
    """Mean and variance of `unit @ unit^T`, whose gradient is one product more.

    By hand, because autograd would take two, and five passes over the matrix. With d = u - m, where
    m is the mean of the rows u,

        u_i . u_j = d_i . d_j + u_i . m + u_j . m - m . m

    and only the first, small term is left to a product of matrices of few digits.
    """

    @staticmethod
    def forward(
        ctx: Any, unit: Tensor, diagonal: bool, products: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        rows = unit.shape[-2]
        pairs = rows * (rows if diagonal else rows - 1)
        middle = unit.mean(-2, keepdim=True)  # [..,1,D]
        off = (unit - middle).to(products)
        apart = (off @ off.mT).to(unit.dtype)  # [..,N,N]
        along = (unit - middle / 2) @ middle.mT  # [..,N,1]
        apart.add_(along).add_(along.mT)
        _clear(apart, diagonal)
        mean = apart.sum((-2, -1)) / pairs  # [..]
        # Off the mean first: sums of squares alone would cancel where all rows are alike.
        apart -= mean[..., None, None]
        _clear(apart, diagonal)
        ctx.save_for_backward(unit.to(products), apart.to(products))
        ctx.pairs, ctx.diagonal = pairs, diagonal
        return mean, torch.linalg.vector_norm(apart, dim=(-2, -1)).square() / pairs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        unit, apart = ctx.saved_tensors
        mean, variance = (grad[..., None, None] for grad in grads)  # [..,1,1]
        partners = unit.sum(-2, keepdim=True) - (0 if ctx.diagonal else unit)  # [..,N,D]
        product = (apart @ unit).to(grads[0].dtype)  # [..,N,D]
        total = 4 * variance * product + 2 * mean * partners
        return total / ctx.pairs, None, None


def _clear(matrix: Tensor, diagonal: bool) -> None:
    """Take the diagonal out, in place, unless it counts."""
    if not diagonal:
        matrix.diagonal(dim1=-2, dim2=-1).zero_()


def gaussian_entropy(variance: Tensor, floor: float = 1e-8) -> Tensor:
    """Entropy in nats of a Gaussian of that variance (MaskAQ Eq. 10), `floor` added to it.

    Similarities of non-negative rows lie in 0..1, so their variance is at most 1/4 and their
    entropy at most 0.726; the floor keeps it above -7.8 where all rows are alike.
    """
    return 0.5 * torch.log(2 * math.pi * math.e * (variance + floor))


def kernel_density(values: Tensor, points: Tensor) -> Tensor:
    """Density of `values` [..,M] at `points` [P] by Gaussian kernels: [..,P], integral 1.

    The bandwidth is Silverman's rule 1.06 * std * M^(-1/5) (Silverman 1986, Eq. 3.28), but no less
    than 1e-3. Needs M * P numbers of memory.
    """
    width = 1.06 * values.std(-1, correction=0) * values.shape[-1] ** -0.2  # [..]
    width = width.clamp(min=1e-3)[..., None]  # [..,1]
    distance = (points[:, None] - values[..., None, :]) / width[..., None]  # [..,P,M]
    kernels = torch.exp(-0.5 * distance.square()) / math.sqrt(2 * math.pi)
    density: Tensor = kernels.mean(-1) / width  # [..,P]
    return density


def kernel_entropy(values: Tensor, bins: int = 512) -> Tensor:
    """Entropy in nats of the kernel density of `values` [..,M]: [..] (MaskAQ Eq. 6, without bins).

    The integral is a sum over `bins` points that reach half the range beyond the values.
    """
    low, high = values.min(), values.max()
    margin = torch.clamp((high - low) / 2, min=0.01)
    fraction = torch.linspace(0, 1, bins, device=values.device)
    points = low - margin + (high - low + 2 * margin) * fraction  # [P]
    density = kernel_density(values, points)  # [..,P]
    return -torch.trapezoid(torch.xlogy(density, density), points)  # [..]
