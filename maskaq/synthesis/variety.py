"""Views of finished samples as varied as photographs, for fitting Q to.

Samples fill their whole area with what sets off a class, at one contrast. Photographs have empty
skies, black borders, glare and several things at once; they reach further, most of all behind the
attention of the first blocks, where 32 samples of ViT-Tiny span half the range. What is done here
uses no data: a random crop, a part of another sample (CutMix, Yun et al. 2019), another contrast,
and an area of one colour inside or around the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from maskaq.synthesis.augmentation import AUGMENTATIONS

__all__ = ["varied"]

PASTED, FLAT = 0.4, 0.4  # share of the views with a part of another one, with an area of one colour
CONTRAST = (-0.2, 0.55)  # logarithm of the factor
BRIGHTNESS, TINT = 0.125, 0.05  # largest shift of all channels alike, of each; pixels are 0..1


@torch.no_grad()
def varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """One view of each image: uint8 [N,3,S,S] to the same, with a generator of their device."""
    count, device = len(images), images.device

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        shape = (count, channels, 1, 1)
        return torch.rand(shape, generator=generator, device=device) * (high - low) + low

    pixels = images.float() / 127.5 - 1
    pixels = (AUGMENTATIONS["crops"](pixels, 0, 1, generator) + 1) / 2
    others = pixels[torch.randperm(count, generator=generator, device=device)]
    pixels = torch.where(_areas(images, PASTED, (0.3, 0.8), generator), others, pixels)
    gain, shift = uniform(*CONTRAST).exp(), uniform(-BRIGHTNESS, BRIGHTNESS)
    pixels = (pixels - 0.5) * gain + 0.5 + shift + uniform(-TINT, TINT, channels=3)
    area = _areas(images, FLAT, (0.2, 0.7), generator)
    around = (uniform(0, 1) < 0.5) & area.any(3, keepdim=True).any(2, keepdim=True)
    colour = uniform(0, 1, channels=3)  # [N,3,1,1]
    colour = torch.where(uniform(0, 1) < 0.5, colour[:, :1].round(), colour)  # black or white
    pixels = torch.where(area ^ around, colour, pixels)
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8)


def _areas(
    images: Tensor, share: float, sides: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """A random rectangle in a share of the images, bool [N,1,S,S]; nothing in the others."""
    count, size, device = len(images), images.shape[-1], images.device
    draw = torch.rand((5, count, 1), generator=generator, device=device)
    places = torch.arange(size, device=device)
    inside = []
    for length, start in (draw[:2], draw[2:4]):
        length = size * (sides[0] + (sides[1] - sides[0]) * length)  # [N,1]
        first = start * (size - length)
        inside.append((places >= first) & (places < first + length))  # [N,S]
    area: Tensor = (
        inside[0][:, :, None] & inside[1][:, None] & (draw[4] < share)[..., None]
    )  # [N,S,S]
    return area[:, None]  # [N,1,S,S]
