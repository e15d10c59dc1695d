"""SARDFQ's attention priors: the class token's attention has to follow a random pattern.

    L_APA = sum over blocks l >= L/2 and heads h of (l / L) * MSE(A_{l,h}, prior_{l,h})

(Zhong et al., ICCV 2025, arXiv 2412.16553.) A is the attention of the class token to each patch,
and each prior a mixture of 1 to 5 two-dimensional Gaussians on the patch grid, sampled once for
every image, block and head. How the mixtures are sampled and scaled is our reading: centres
anywhere in the image, standard deviations of 0.05 to 0.3 of its side, rotated by a random angle,
random weights; the values at the patches are scaled to sum to 1. Both maps are in units of 1/N, so
that the term does not vanish on larger grids: the paper's coefficient is N^2 times the one here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

COMPONENTS = 5  # at most
WIDTHS = 0.05, 0.3  # standard deviations, as shares of the side


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Gaussian mixtures in the unit square, for any leading shape.

    weight: [..,5], 0 for unused components. centre: [..,5,2] down, across. width: [..,5,2]
    standard deviations along the two axes of an ellipse. angle: [..,5] of its first axis.
    """

    weight: Tensor
    centre: Tensor
    width: Tensor
    angle: Tensor

    def at(self, index: int) -> Mixtures:
        """The mixtures at an index of the first axis."""
        parts = (self.weight, self.centre, self.width, self.angle)
        return Mixtures(*(part[index] for part in parts))


def sample_mixtures(shape: tuple[int, ...], generator: torch.Generator) -> Mixtures:
    """Sample mixtures of 1 to 5 components, in the given leading shape."""

    def uniform(*last: int) -> Tensor:
        return torch.rand((*shape, *last), generator=generator, device=generator.device)

    count = (1 + (uniform() * COMPONENTS).long()).clamp(max=COMPONENTS)  # [..]
    used = torch.arange(COMPONENTS, device=generator.device) < count[..., None]  # [..,5]
    return Mixtures(
        weight=used * (1 - uniform(COMPONENTS)),  # never 0
        centre=uniform(COMPONENTS, 2),
        width=WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * uniform(COMPONENTS, 2),
        angle=math.pi * uniform(COMPONENTS),
    )


def mixture_maps(mixtures: Mixtures, grid: tuple[int, int]) -> Tensor:
    """Density of the mixtures at the centres of the patches, row by row: [..] -> [..,N]."""
    device = mixtures.weight.device
    down, across = ((torch.arange(side, device=device) + 0.5) / side for side in grid)
    places = torch.cartesian_prod(down, across)  # [N,2]
    offset = places - mixtures.centre[..., None, :]  # [..,5,N,2]
    sine, cosine = mixtures.angle.sin()[..., None], mixtures.angle.cos()[..., None]  # [..,5,1]
    along = cosine * offset[..., 0] + sine * offset[..., 1]  # [..,5,N]
    beside = cosine * offset[..., 1] - sine * offset[..., 0]
    first, second = (side[..., None] for side in mixtures.width.unbind(-1))  # [..,5,1]
    bell = (-((along / first).square() + (beside / second).square()) / 2).exp()
    return (mixtures.weight[..., None] * bell / (first * second)).sum(-2)  # [..,N]


def prior_distance(rows: Tensor, prior: Tensor) -> Tensor:
    """Squared distance between maps [B,H,N] and priors [B,H,N], in units of 1/N: -> [B].

    Mean over patches, sum over heads. The prior is scaled to sum to 1.
    """
    patches = rows.shape[-1]
    target = prior / prior.sum(-1, keepdim=True)
    return (patches * (rows - target)).square().mean(-1).sum(1)  # [B]
