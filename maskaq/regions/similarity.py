"""Similarity between the attention rows of patches, and the entropy of these similarities.

If all rows of an attention map are similar, the model finds nothing in the image. MaskAQ (Qian et
al. 2026, Eq. 5-10) therefore increases the spread of the cosine similarities S of all pairs of
rows, measured as their differential entropy with a Gaussian in place of the histogram:

    H = 0.5 * log(2 pi e var(S))

`kernel_density` and `kernel_entropy` do not assume a Gaussian; they are for plots.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def patch_similarity(rows: Tensor) -> Tensor:
    """Cosine similarity of every pair of rows (MaskAQ Eq. 5): [..,N,D] -> [..,N,N] in -1..1.

    The similarity of a row of zeros to any row, itself included, is 0.

    >>> patch_similarity(torch.tensor([[3.0, 0.0], [0.0, 2.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    unit = functional.normalize(rows, dim=-1)
    return unit @ unit.mT  # [..,N,N]


def similarity_moments(
    rows: Tensor, diagonal: bool, product_dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance of the similarities of all pairs of rows (MaskAQ Eq. 8, 9).

    Args:
        rows: [..,N,D], N at least 2.
        diagonal: include each row's similarity to itself, as MaskAQ's released code does.
        product_dtype: of the matrix products, that of the rows by default. In bfloat16 the variance
            is accurate to 1 %.

    Returns:
        mean [..] and biased variance [..].
    """
    unit = functional.normalize(rows, dim=-1)
    mean, variance = _Moments.apply(unit, diagonal, product_dtype or rows.dtype)
    return mean, variance


class _Moments(torch.autograd.Function):
    """Mean and variance of `unit @ unit^T`, with one more matrix product for the gradient.

    Written by hand because autograd would need two, and five passes over the matrix. With
    d = u - m, where m is the mean of the rows u,

        u_i . u_j = d_i . d_j + u_i . m + u_j . m - m . m

    and only the first, small term needs a matrix product, which may have low precision.
    """

    @staticmethod
    def forward(
        ctx: Any, unit: Tensor, diagonal: bool, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        rows = unit.shape[-2]
        pairs = rows * (rows if diagonal else rows - 1)
        centre = unit.mean(-2, keepdim=True)  # [..,1,D]
        offset = (unit - centre).to(dtype)
        similarity = (offset @ offset.mT).to(unit.dtype)  # [..,N,N]
        along = (unit - centre / 2) @ centre.mT  # [..,N,1]
        similarity.add_(along).add_(along.mT)
        _clear_diagonal(similarity, diagonal)
        mean = similarity.sum((-2, -1)) / pairs  # [..]
        # Subtract the mean before squaring: a difference of squares would cancel for similar rows.
        deviation = similarity.sub_(mean[..., None, None])
        _clear_diagonal(deviation, diagonal)
        ctx.save_for_backward(unit.to(dtype), deviation.to(dtype))
        ctx.pairs, ctx.diagonal = pairs, diagonal
        return mean, torch.linalg.vector_norm(deviation, dim=(-2, -1)).square() / pairs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        unit, deviation = ctx.saved_tensors
        mean, variance = (grad[..., None, None] for grad in grads)  # [..,1,1]
        others = unit.sum(-2, keepdim=True) - (0 if ctx.diagonal else unit)  # [..,N,D]
        product = (deviation @ unit).to(grads[0].dtype)  # [..,N,D]
        total = 4 * variance * product + 2 * mean * others
        return total / ctx.pairs, None, None


def _clear_diagonal(matrix: Tensor, included: bool) -> None:
    """Set the diagonal to 0, in place, unless it is included."""
    if not included:
        matrix.diagonal(dim1=-2, dim2=-1).zero_()


def gaussian_entropy(variance: Tensor, floor: float = 1e-8) -> Tensor:
    """Entropy in nats of a Gaussian with this variance plus `floor` (MaskAQ Eq. 10).

    Similarities of non-negative rows lie in 0..1, so their variance is at most 1/4 and their
    entropy at most 0.726; the floor keeps it above -7.8 if all rows are equal.
    """
    return 0.5 * torch.log(2 * math.pi * math.e * (variance + floor))


def kernel_density(values: Tensor, points: Tensor) -> Tensor:
    """Gaussian kernel density of `values` [..,M] at `points` [P]: [..,P], integral 1.

    The bandwidth follows Silverman's rule 1.06 * std * M^(-1/5) (Silverman 1986, Eq. 3.28), but is
    at least 1e-3. The memory is M * P numbers.
    """
    width = 1.06 * values.std(-1, correction=0) * values.shape[-1] ** -0.2  # [..]
    width = width.clamp(min=1e-3)[..., None]  # [..,1]
    distance = (points[:, None] - values[..., None, :]) / width[..., None]  # [..,P,M]
    kernels = torch.exp(-0.5 * distance.square()) / math.sqrt(2 * math.pi)
    density: Tensor = kernels.mean(-1) / width  # [..,P]
    return density


def kernel_entropy(values: Tensor, bins: int = 512) -> Tensor:
    """Entropy in nats of the kernel density of `values` [..,M]: [..] (MaskAQ Eq. 6, without bins).

    The integral is taken over `bins` points, from half the range below the values to half above.
    """
    low, high = values.min(), values.max()
    margin = torch.clamp((high - low) / 2, min=0.01)
    fraction = torch.linspace(0, 1, bins, device=values.device)
    points = low - margin + (high - low + 2 * margin) * fraction  # [P]
    density = kernel_density(values, points)  # [..,P]
    return -torch.trapezoid(torch.xlogy(density, density), points)  # [..]
