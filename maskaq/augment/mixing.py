"""Views of synthetic images that vary as much as photographs, for fitting Q.

Synthetic images fill their whole area with features of a class, at one contrast. Photographs have
empty skies, black borders, glare and several objects; their activations have larger ranges, mainly
after the attention of the first blocks, where 32 synthetic images of ViT-Tiny span half the range.
The views use no data: a random crop, a part of another image (CutMix, Yun et al. 2019), another
contrast, and an area of uniform colour inside or around the rest.

Q soon overfits to few images. `combine_frequencies` makes many of them: the layout of one with the
texture of another, which keeps spectrum and contrast if both images are `natural`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from maskaq.augment.views import AUGMENTATIONS

COMBINED = 0.6  # share of the images that get the fine structure of another one
CUTS = 5  # number of limits between coarse and fine: half of an image's side, a quarter, ..

PASTED = 0.4  # share of the views with a part of another image
FLAT = 0.4  # share of the views with an area of uniform colour
CONTRAST = (-0.2, 0.55)  # logarithm of the factor
BRIGHTNESS = 0.125  # largest shift of all channels together; pixels are 0..1
TINT = 0.05  # largest shift of each channel


@torch.no_grad()
def vary(images: Tensor, generator: torch.Generator) -> Tensor:
    """Make one view of each image: uint8 [N,3,S,S] -> the same, on the generator's device."""
    count, device = len(images), images.device

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        shape = (count, channels, 1, 1)
        return torch.rand(shape, generator=generator, device=device) * (high - low) + low

    pixels = images.float() / 127.5 - 1
    pixels = (AUGMENTATIONS["crops"](pixels, 0, 1, generator).images + 1) / 2
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
def combine_frequencies(coarse: Tensor, fine: Tensor, generator: torch.Generator) -> Tensor:
    """Replace the fine structure of a share of the images by that of others, half of them mirrored.

    Args:
        coarse, fine: uint8 [N,3,S,S] on the generator's device.

    Returns:
        uint8 [N,3,S,S].
    """
    count, device = len(coarse), coarse.device
    chance, mirror = torch.rand((2, count), generator=generator, device=device)  # [N] each
    cuts = torch.randint(1, CUTS + 1, (count,), generator=generator, device=device)
    cuts = torch.where(chance < COMBINED, cuts, 0)
    mixed, others = coarse.float(), fine.float()
    others = torch.where(mirror[:, None, None, None] < 0.5, others.flip(3), others)
    for cut in range(1, CUTS + 1):
        own, other = mixed[cuts == cut], others[cuts == cut]  # [M,3,S,S]
        mixed[cuts == cut] = _blurred(own, cut) + other - _blurred(other, cut)
    return mixed.clamp(0, 255).round().to(torch.uint8)


def _blurred(images: Tensor, cut: int) -> Tensor:
    """Images [N,3,S,S] halved `cut` times and enlarged again."""
    if not len(images):
        return images
    sides = [max(1, side >> cut) for side in images.shape[-2:]]
    small = functional.interpolate(images, size=sides, mode="bilinear", antialias=True)
    return functional.interpolate(small, size=images.shape[-2:], mode="bilinear")  # [N,3,S,S]


def _areas(
    images: Tensor, share: float, sides: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """A random rectangle in a share of the images, bool [N,1,S,S]; none in the others."""
    count, device = len(images), images.device
    random = torch.rand((5, count, 1), generator=generator, device=device)
    inside = []
    for (length, start), size in zip((random[:2], random[2:4]), images.shape[2:], strict=True):
        places = torch.arange(size, device=device)
        length = size * (sides[0] + (sides[1] - sides[0]) * length)  # [N,1]
        first = start * (size - length)
        inside.append((places >= first) & (places < first + length))  # [N,S]
    area: Tensor = (
        inside[0][:, :, None] & inside[1][:, None] & (random[4] < share)[..., None]
    )  # [N,S,S]
    return area[:, None]  # [N,1,S,S]
