"""Inter-head similarity: for each query patch, the maps of all heads should be similar.

MimiQ's prior, which MaskAQ adopts (Qian et al. 2026, Eq. 3). It uses the structural similarity of
Wang et al. 2004 with one window over the whole map:

    SSIM(a, b) = (2 m_a m_b + c1) (2 cov_ab + c2) / ((m_a^2 + m_b^2 + c1) (var_a + var_b + c2))

Each map is scaled to 0..1, the range for which c1 = 0.01^2 and c2 = 0.03^2 are defined. Neither the
scaled maps nor pairs of maps are stored: the affine scaling is applied to the statistics, and the
covariances of all pairs of heads are one matrix product per query.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

LUMINANCE, CONTRAST = 0.01**2, 0.03**2
SMALLEST_RANGE = 1e-8  # maps flatter than this count as constant


class _Statistics(torch.autograd.Function):
    """Mean, minimum, maximum of maps over their last axis, and covariance between heads.

    Written by hand because autograd would keep a dozen tensors of the size of the maps.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        by_query = maps.transpose(1, 2)  # [B,N,H,D]
        mean = by_query.mean(-1)  # [B,N,H]
        centred = by_query - mean[..., None]
        low, high = centred.min(-1), centred.max(-1)  # values and indices, [B,N,H] each
        covariance = centred @ centred.mT / maps.shape[-1]  # [B,N,H,H]
        ctx.save_for_backward(centred, low.indices, high.indices)
        return mean, low.values + mean, high.values + mean, covariance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        centred, argmin, argmax = ctx.saved_tensors
        mean, low, high, covariance = grads
        # Subtracting the mean adds no term, as `centred` sums to 0 over each map.
        size = centred.shape[-1]
        total = ((covariance + covariance.mT) / size) @ centred  # [B,N,H,D]
        total.add_((mean / size)[..., None])
        total.scatter_add_(-1, argmin[..., None], low[..., None])
        total.scatter_add_(-1, argmax[..., None], high[..., None])
        back: Tensor = total.transpose(1, 2)  # [B,H,N,D]
        return back


class _Patches(torch.autograd.Function):
    """Attention between patches, copied with the queries first.

    Written by hand because autograd would fill and add a tensor of zeros for each of the slices.
    """

    @staticmethod
    def forward(ctx: Any, full: Tensor, prefix: int, queries: Tensor | None) -> Tensor:
        ctx.prefix, ctx.queries = prefix, queries
        cut = full[:, :, prefix:, prefix:]  # [B,H,N,N]
        if queries is not None:
            cut = cut[:, :, queries]  # [B,H,R,N]
        return cut.transpose(1, 2).contiguous()  # [B,R,H,N]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad = grads[0].transpose(1, 2)  # [B,H,R,N]
        if ctx.queries is not None:
            full = grad.new_zeros(*grad.shape[:2], grad.shape[-1], grad.shape[-1])
            grad = full.index_copy_(2, ctx.queries, grad)  # [B,H,N,N]
        return functional.pad(grad, (ctx.prefix, 0) * 2), None, None  # [B,H,T,T]


def patch_maps(full: Tensor, prefix: int, queries: Tensor | None = None) -> Tensor:
    """Attention between patches: maps [B,H,T,T] -> [B,H,R,N], in memory queries before heads.

    Args:
        queries: int64 [R], the patches whose rows are returned; all N by default.
    """
    cut = cast(Tensor, _Patches.apply(full, prefix, queries))
    return cut.transpose(1, 2)  # [B,H,R,N], a view


def mean_over_heads(maps: Tensor) -> Tensor:
    """Mean over the heads: [B,H,R,N] -> [B,R,N].

    A sum, because autograd passes its gradient on without a copy for every head.
    """
    return maps.sum(1) / maps.shape[1]  # [B,R,N]


def head_similarity(blocks: Sequence[Tensor]) -> Tensor:
    """SSIM of every pair of heads for every query: per block [B,H,N,D] -> [L,B,N,H,H].

    It is 1 on the diagonal. The cost is H*H*D multiplications per query, the memory one copy of the
    maps. A constant map counts as all zeros.
    """
    statistics = zip(*(_Statistics.apply(maps) for maps in blocks), strict=True)
    # They are small: all blocks together take hardly longer than one.
    mean, low, high, covariance = (torch.stack(values) for values in statistics)
    scale = 1 / (high - low).clamp(min=SMALLEST_RANGE)  # [L,B,N,H]
    mean = (mean - low) * scale
    covariance = covariance * scale[..., None] * scale[..., None, :]  # [L,B,N,H,H]
    variance = covariance.diagonal(dim1=-2, dim2=-1)  # [L,B,N,H]
    square = mean.square()
    first = (2 * mean[..., None] * mean[..., None, :] + LUMINANCE) * (2 * covariance + CONTRAST)
    second = (square[..., None] + square[..., None, :] + LUMINANCE) * (
        variance[..., None] + variance[..., None, :] + CONTRAST
    )
    similarity: Tensor = first / second  # [L,B,N,H,H]
    return similarity
