"""PSAQ-ViT's prior: the features of an image's patches should be alike in many different ways.

    f_i = mean over heads of (A v)_i          S_ij = <f_i, f_j> / (|f_i| |f_j|)
    p(s) = 1 / (N^2 h sqrt(2 pi)) * sum over i, j of exp(-(s - S_ij)^2 / (2 h^2))
    H    = integral of -(p + 1e-4) log(p + 1e-4) ds

(Li et al., ECCV 2022, arXiv 2203.02250, in the form of its released code: bandwidth h = 0.01, the
integral by trapezoids over 10 points between the smallest and the largest similarity.) The code
takes these two over the batch; here each image has its own, so that no image depends on the others.

Its total variation shall come near a target. The release sums L2 norms over a batch of 32 images of
224 pixels, normalised by ImageNet's deviations, and draws the target once from U(2500, 3000). Such
a norm grows with the root of the number of values, so that here each image is held to what 32 like
it would have, and the target is scaled by S / 224, and by 0.226 / the model's deviation. That TV is
the one of MaskAQ's released code is our reading.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from maskaq.regions.similarity import patch_similarity

__all__ = [
    "density",
    "density_entropy",
    "draw_variation",
    "feature_entropy",
    "image_variation",
    "variation_gap",
]

POINTS = 10
BANDWIDTH = 0.01
OFFSET = 1e-4  # of the density, so that its logarithm exists
VARIATION = 2500.0, 3000.0  # target of the total variation
TOGETHER, BASE, DEVIATION = 32, 224, 0.226  # images, their side and deviation it refers to


class _Density(torch.autograd.Function):
    """Kernel density of values [B,M] at points [B,P]; gradients go to the values alone.

    By hand: autograd would keep P tensors of the size of the values, and several times.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, points: Tensor) -> Tensor:
        ctx.save_for_backward(values, points)
        means = [_bell(values, point)[0].mean(1) for point in points.unbind(1)]  # [B] each
        return torch.stack(means, 1) / (BANDWIDTH * math.sqrt(2 * math.pi))  # [B,P]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        values, points = ctx.saved_tensors
        total = torch.zeros_like(values)
        for point, grad in zip(points.unbind(1), grads[0].unbind(1), strict=True):
            bell, away = _bell(values, point)
            total.addcmul_(bell.mul_(away), grad[:, None])
        scale = values.shape[1] * BANDWIDTH**2 * math.sqrt(2 * math.pi)
        return total.div_(scale), None


def _bell(values: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
    """exp(-z^2 / 2) and z, how many bandwidths each value [B,M] lies below the point [B]."""
    away = (point[:, None] - values).div_(BANDWIDTH)
    return away.square().mul_(-0.5).exp_(), away


def density(values: Tensor, points: Tensor) -> Tensor:
    """Gaussian kernel density of values [B,M] at points [B,P]: -> [B,P].

    Memory is that of the values, however many points there are.
    """
    return cast(Tensor, _Density.apply(values, points))


def density_entropy(values: Tensor) -> Tensor:
    """Differential entropy of values [B,M] by their kernel density: -> [B] in nats.

    The points are fixed when they are chosen: no gradient moves the ends of the range.
    """
    low, high = values.detach().aminmax(dim=1)  # [B] each
    share = torch.linspace(0, 1, POINTS, device=values.device, dtype=values.dtype)
    points = low[:, None] + (high - low)[:, None] * share  # [B,P]
    lifted = density(values, points) + OFFSET
    return torch.trapezoid(-lifted * lifted.log(), points)  # [B]


def feature_entropy(features: Tensor) -> Tensor:
    """Entropy of the cosine similarities between features [B,N,d], themselves included: -> [B]."""
    return density_entropy(patch_similarity(features).flatten(1))  # [B,N*N]


def image_variation(images: Tensor) -> Tensor:
    """L2 norms of each image's differences in four directions, summed: [B,3,S,S] -> [B].

    Image by image what MaskAQ's released code takes over the batch, diagonals divided by sqrt(2).
    """
    straight = images[..., 1:, :] - images[..., :-1, :], images[..., 1:] - images[..., :-1]
    diagonal = (
        images[..., 1:, 1:] - images[..., :-1, :-1],
        images[..., 1:, :-1] - images[..., :-1, 1:],
    )
    near, far = (
        torch.stack([one.flatten(1).norm(dim=1) for one in way]).sum(0)  # [B]
        for way in (straight, diagonal)
    )
    return near + far / 2**0.5


def draw_variation(generator: torch.Generator) -> Tensor:
    """A target for `variation_gap`, []."""
    share = torch.rand((), generator=generator, device=generator.device)
    return VARIATION[0] + (VARIATION[1] - VARIATION[0]) * share  # []


def variation_gap(images: Tensor, target: Tensor, deviation: float = DEVIATION) -> Tensor:
    """Distance of the variation of images from the target, scaled to them: -> [B].

    Args:
        images: [B,3,S,S], normalised.
        target: [], for ImageNet's deviations and 224 pixels.
        deviation: mean of those that these images were divided by.
    """
    wanted = target * images.shape[-1] / BASE * DEVIATION / deviation
    gap: Tensor = (TOGETHER**0.5 * image_variation(images) - wanted).abs()  # [B]
    return gap
