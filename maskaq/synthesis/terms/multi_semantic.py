"""SARDFQ's semantics: crops of an image with separate classes, and soft labels.

**Multi-semantic reinforcement** (Zhong et al., ICCV 2025, arXiv 2412.16553): P should classify each
of 1 to 4 disjoint crops of an image, resized to the full input, as a separate class. Our reading,
in a batch of fixed size: the crops are quadrants, sampled once together with their labels; in each
step P is shown every image uncropped with its own label with probability 1/2, and otherwise one of
its crops with the label of the crop.

**Soft labels**: the target is softmax(Z), where Z of the label is sampled once per image from
U(5, 10). That the other classes have Z = 0 is our reading.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

QUADRANTS = 4
PEAK = 5.0, 10.0  # logit of the label in a soft target


class Crops(NamedTuple):
    """The crops of each image that have their own labels.

    number: int64 [B], 1 to 4. quadrant: int64 [B,4], numbered row by row; the first `number` are
    used. labels: int64 [B,4], one per quadrant.
    """

    number: Tensor
    quadrant: Tensor
    labels: Tensor


class View(NamedTuple):
    """What P is shown in a step: images [B,3,S,S] and their labels int64 [B].

    uncropped: bool [B], the images shown as a whole; None for all of them.
    """

    images: Tensor
    labels: Tensor
    uncropped: Tensor | None = None


def sample_crops(images: int, classes: int, most: int, generator: torch.Generator) -> Crops:
    """Sample 1 to `most` crops for each image; `most` is at most 4."""
    device, shape = generator.device, (images, QUADRANTS)
    return Crops(
        number=torch.randint(1, most + 1, (images,), generator=generator, device=device),
        quadrant=torch.rand(shape, generator=generator, device=device).argsort(1),
        labels=torch.randint(classes, shape, generator=generator, device=device),
    )


def sample_view(images: Tensor, labels: Tensor, crops: Crops, generator: torch.Generator) -> View:
    """Each image [B,3,S,S] uncropped with its label [B], or one of its crops at full size."""
    height, width = images.shape[2:]
    high, wide = height // 2, width // 2
    random = torch.rand((2, len(images)), generator=generator, device=generator.device)
    uncropped = random[0] < 0.5
    chosen = (random[1] * crops.number).long()[:, None]  # [B,1]
    quadrants = [
        images[..., top : top + high, left : left + wide]
        for top in (0, height - high)
        for left in (0, width - wide)
    ]
    each = torch.arange(len(images), device=images.device)
    quadrant = crops.quadrant.gather(1, chosen)[:, 0]  # [B]
    crop = torch.stack(quadrants, 1)[each, quadrant]  # [B,3,S/2,S/2]
    large = functional.interpolate(crop, size=(height, width), mode="bilinear")  # [B,3,S,S]
    return View(
        torch.where(uncropped[:, None, None, None], images, large),
        torch.where(uncropped, labels, crops.labels.gather(1, chosen)[:, 0]),
        uncropped,
    )


def sample_peaks(images: int, generator: torch.Generator) -> Tensor:
    """The logit of the label in each image's soft target, [B]."""
    share = torch.rand(images, generator=generator, device=generator.device)
    return PEAK[0] + (PEAK[1] - PEAK[0]) * share


def soft_cross_entropy(logits: Tensor, labels: Tensor, peaks: Tensor) -> Tensor:
    """Cross-entropy to softmax(Z), Z = peak at the label and 0 elsewhere: -> [B] in nats.

    Args:
        logits: [B,K]. labels: int64 [B]. peaks: [B].
    """
    target = torch.zeros_like(logits, dtype=torch.float32)
    target = target.scatter(1, labels[:, None], peaks[:, None]).softmax(-1)  # [B,K]
    return functional.cross_entropy(logits.float(), target, reduction="none")
