"""Views of finished samples as varied as photographs, for fitting Q to.

Samples fill their whole area with what sets off a class, at one contrast. Photographs have empty
skies, black borders, glare and several things at once; they reach further, most of all behind the
attention of the first blocks, where 32 samples of ViT-Tiny span half the range. What is done here
uses no data: a random crop, a part of another sample (CutMix, Yun et al. 2019), another contrast,
and an area of one colour inside or around the rest.

A few samples are soon learned by heart. `crossed` makes many of them: layouts of one with textures
of another, which keeps spectrum and contrast, as both are `natural`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from maskaq.augment.views import AUGMENTATIONS

__all__ = ["crossed", "varied"]

CROSSED = 0.6  # share of the images that get the fine structure of another one
CUTS = 5  # where coarse ends: half of an image's side, a quarter, ..

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


@torch.no_grad()
def crossed(coarse: Tensor, fine: Tensor, generator: torch.Generator) -> Tensor:
    """A share of the images with what is fine in others, half of those mirrored.

    coarse, fine: uint8 [N,3,S,S] on the generator's device; gives the same.
    """
    count, size, device = len(coarse), coarse.shape[-1], coarse.device
    chance, mirror = torch.rand((2, count), generator=generator, device=device)  # [N] each
    cuts = torch.randint(1, CUTS + 1, (count,), generator=generator, device=device)
    cuts = torch.where(chance < CROSSED, cuts, 0)
    made, others = coarse.float(), fine.float()
    others = torch.where(mirror[:, None, None, None] < 0.5, others.flip(3), others)
    for cut in range(1, CUTS + 1):
        own, other = made[cuts == cut], others[cuts == cut]  # [M,3,S,S]
        side = max(1, size >> cut)
        made[cuts == cut] = _blurred(own, side) + other - _blurred(other, side)
    return made.clamp(0, 255).round().to(torch.uint8)


def _blurred(images: Tensor, side: int) -> Tensor:
    """What is left of images [N,3,S,S] at side x side pixels, in the old size."""
    if not len(images):
        return images
    small = functional.interpolate(images, size=side, mode="bilinear", antialias=True)
    return functional.interpolate(small, size=images.shape[-2:], mode="bilinear")  # [N,3,S,S]


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
