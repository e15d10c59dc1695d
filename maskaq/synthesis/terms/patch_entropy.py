"""PSAQ-ViT's prior: the similarities between an image's patch features should be diverse.

    f_i = mean over heads of (A v)_i          S_ij = <f_i, f_j> / (|f_i| |f_j|)
    p(s) = 1 / (N^2 h sqrt(2 pi)) * sum over i, j of exp(-(s - S_ij)^2 / (2 h^2))
    H    = integral of -(p + 1e-4) log(p + 1e-4) ds

(Li et al., ECCV 2022, arXiv 2203.02250, as in its released code: bandwidth h = 0.01, the integral
by the trapezoidal rule over 10 points between the smallest and the largest similarity.) The code
takes these two over the batch; here each image has its own, so that no image depends on the others.

The total variation has to approach a target. The release sums L2 norms over a batch of 32 images of
224 pixels, normalised by ImageNet's standard deviations, and samples the target once from
U(2500, 3000). Such a norm grows with the square root of the number of values; here the norm of each
image is therefore scaled to that of 32 images like it, and the target by S / 224 and by 0.226 / the
model's standard deviation. That TV is defined as in MaskAQ's released code is our reading.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor

from maskaq.regions.similarity import patch_similarity

POINTS = 10
BANDWIDTH = 0.01
OFFSET = 1e-4  # of the density, so that its logarithm exists
TARGET = 2500.0, 3000.0  # of the total variation
# Images, their side in pixels, and the mean standard deviation of the channels that it refers to:
BASE_BATCH, BASE_SIZE, BASE_STD = 32, 224, 0.226


class _Density(torch.autograd.Function):
    """Kernel density of values [B,M] at points [B,P], differentiable in the values only.

    Written by hand because autograd would keep several sets of P tensors of the size of the values.
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
            bell, z = _bell(values, point)
            total.addcmul_(bell.mul_(z), grad[:, None])
        scale = values.shape[1] * BANDWIDTH**2 * math.sqrt(2 * math.pi)
        return total.div_(scale), None


def _bell(values: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
    """exp(-z^2 / 2) and z, the distance of the point [B] above each value [B,M] in bandwidths."""
    z = (point[:, None] - values).div_(BANDWIDTH)
    return z.square().mul_(-0.5).exp_(), z


def density(values: Tensor, points: Tensor) -> Tensor:
    """Gaussian kernel density of values [B,M] at points [B,P]: -> [B,P].

    Memory does not depend on the number of points.
    """
    return cast(Tensor, _Density.apply(values, points))


def density_entropy(values: Tensor) -> Tensor:
    """Differential entropy of values [B,M] by their kernel density: -> [B] in nats.

    The points get no gradient: the ends of the range are constants.
    """
    low, high = values.detach().aminmax(dim=1)  # [B] each
    share = torch.linspace(0, 1, POINTS, device=values.device, dtype=values.dtype)
    points = low[:, None] + (high - low)[:, None] * share  # [B,P]
    lifted = density(values, points) + OFFSET
    return torch.trapezoid(-lifted * lifted.log(), points)  # [B]


def feature_entropy(features: Tensor) -> Tensor:
    """Entropy of the cosine similarities of features [B,N,d], self-pairs included: -> [B]."""
    return density_entropy(patch_similarity(features).flatten(1))  # [B,N*N]


def image_variation(images: Tensor) -> Tensor:
    """Sum of the L2 norms of each image's differences in four directions: [B,3,S,S] -> [B].

    MaskAQ's released code takes the norms over the batch. Diagonals are divided by sqrt(2).
    """
    straight = images[..., 1:, :] - images[..., :-1, :], images[..., 1:] - images[..., :-1]
    diagonal = (
        images[..., 1:, 1:] - images[..., :-1, :-1],
        images[..., 1:, :-1] - images[..., :-1, 1:],
    )
    near, far = (
        torch.stack([difference.flatten(1).norm(dim=1) for difference in pair]).sum(0)  # [B]
        for pair in (straight, diagonal)
    )
    return near + far / 2**0.5


def sample_target(generator: torch.Generator) -> Tensor:
    """Sample a target for `variation_gap`, []."""
    share = torch.rand((), generator=generator, device=generator.device)
    return TARGET[0] + (TARGET[1] - TARGET[0]) * share  # []


def variation_gap(images: Tensor, target: Tensor, pixel_std: float = BASE_STD) -> Tensor:
    """Distance between the variation of images and the scaled target: -> [B].

    Args:
        images: [B,3,S,S], normalised.
        target: [], for 224 pixels and ImageNet's standard deviations.
        pixel_std: mean of the standard deviations that these images were divided by.
    """
    scaled = target * images.shape[-1] / BASE_SIZE * BASE_STD / pixel_std
    gap: Tensor = (BASE_BATCH**0.5 * image_variation(images) - scaled).abs()  # [B]
    return gap
