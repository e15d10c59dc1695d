"""The parameters that an image is computed from while it is optimised.

`pixels`, as in the papers: every pixel of the normalised image is free, clamped to the valid range
after each step.

`natural`: an image is computed from a few planes of increasing resolution, so that its spectrum,
colour and contrast resemble those of a photograph from the start. It uses no data, only what all
photographs have in common: coarse structure is strongest, colour varies less than brightness, and
contrast is limited.

    z   = sum over levels s of gain_s * upsample(L_s)        one luminance and two chroma planes
    z  -= 0.7 * mean(z);  z /= std(luminance)                per image; the mean per plane
    u   = sigmoid(1.1 * mix(z)) in 0..1;  x = (u - mean) / std of the model

With standard normal L_s a pixel's standard deviation is 0.23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from maskaq.errors import OptionError
from maskaq.models.loading import LoadedModel
from maskaq.registry import Registry

GAINS = (1.0, 1.0, 0.8, 0.5, 0.3, 0.15)  # of the levels, coarsest first
CENTRING = 0.7  # share of a plane's mean that is subtracted
SHARPNESS = 1.1  # of the sigmoid: decides the contrast
# Rows: luminance, orange-blue, green-magenta. Columns: red, green, blue.
COLOURS = ((1.0, 1.0, 1.0), (0.35, 0.0, -0.35), (-0.2, 0.4, -0.2))


class Parametrisation(Protocol):
    """A batch of images as parameters to optimise.

    `kind(loaded, count, generator)` initialises them at random, `kind.resume(loaded, images, state,
    device)` from uint8 images [B,3,S,S] and their `state()`.
    """

    def __init__(self, loaded: LoadedModel, count: int, generator: torch.Generator) -> None: ...

    @classmethod
    def resume(
        cls, loaded: LoadedModel, images: Tensor, state: Mapping[str, Tensor], device: torch.device
    ) -> Parametrisation:
        """The same images again."""

    def parameters(self) -> list[Tensor]:
        """Leaf tensors, with the images along their first axis."""

    def images(self) -> Tensor:
        """[B,3,S,S] normalised for the model, differentiable."""

    def clamp(self) -> None:
        """Clamp the parameters to valid images, after a step."""

    def state(self) -> dict[str, Tensor]:
        """What `resume` needs beside the images, each [B,..]."""


PARAMETRISATIONS: Registry[type[Parametrisation]] = Registry("parametrisation")


def to_uint8(images: Tensor, loaded: LoadedModel) -> Tensor:
    """Normalised images [B,3,S,S] -> uint8 pixels."""
    mean, std = loaded.mean.to(images.device), loaded.std.to(images.device)
    shown = images.detach().float() * std + mean
    return shown.mul(255).round().clamp(0, 255).to(torch.uint8)


@PARAMETRISATIONS.register("pixels")
class Pixels:
    """Free pixels, from N(0,1) in normalised space clamped to the valid range."""

    def __init__(self, loaded: LoadedModel, count: int, generator: torch.Generator) -> None:
        shape = (count, 3, *loaded.sides)
        device = generator.device
        start = torch.randn(shape, generator=generator, device=device)
        self._set(loaded, start)

    def _set(self, loaded: LoadedModel, start: Tensor) -> None:
        mean, std = loaded.mean.to(start.device), loaded.std.to(start.device)
        self._low, self._high = -mean / std, (1 - mean) / std  # [1,3,1,1], pixels 0 and 255
        self._pixels = start.requires_grad_()
        self.clamp()

    @classmethod
    def resume(
        cls, loaded: LoadedModel, images: Tensor, state: Mapping[str, Tensor], device: torch.device
    ) -> Pixels:
        """From the images alone; `state` is not used."""
        pixels = cls.__new__(cls)
        pixels._set(loaded, loaded.normalise(images).to(device))
        return pixels

    def parameters(self) -> list[Tensor]:
        """The pixels, [B,3,S,S]."""
        return [self._pixels]

    def images(self) -> Tensor:
        """The pixels, [B,3,S,S]."""
        return self._pixels

    @torch.no_grad()
    def clamp(self) -> None:
        """Clamp to the range of valid pixels."""
        self._pixels.clamp_(self._low, self._high)

    def state(self) -> dict[str, Tensor]:
        """Empty: the images are enough."""
        return {}


def levels(size: int) -> tuple[int, ...]:
    """Sides of the pyramid's planes, coarsest first, each about twice the previous one.

    Six levels from 128 pixels, five below, so that the coarsest one is a few cells wide.

    >>> levels(224), levels(64)
    ((7, 14, 28, 56, 112, 224), (4, 8, 16, 32, 64))
    """
    count = 6 if size >= 128 else 5
    return tuple(max(1, round(size / 2**power)) for power in reversed(range(count)))


def _planes(sides: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width of each plane; the longer sides are those of `levels`."""
    longest = max(sides)
    return [
        (max(1, round(level * sides[0] / longest)), max(1, round(level * sides[1] / longest)))
        for level in levels(longest)
    ]


def _interpolation(short: int, long: int, device: torch.device) -> Tensor:
    """Matrix [short,long] that interpolates rows of `short` pixels linearly to `long`."""
    unit = torch.eye(short, device=device)[None]  # [1,short,short]
    return functional.interpolate(unit, size=long, mode="linear")[0]


@PARAMETRISATIONS.register("natural")
class Natural:
    """A pyramid of luminance and chroma planes, with normalised contrast and a final sigmoid."""

    PREFIX: ClassVar[str] = "level"

    def __init__(self, loaded: LoadedModel, count: int, generator: torch.Generator) -> None:
        self._set(
            loaded,
            [
                torch.randn(count, 3, *sides, generator=generator, device=generator.device)
                for sides in _planes(loaded.sides)
            ],
        )

    def _set(self, loaded: LoadedModel, planes: list[Tensor]) -> None:
        device = planes[0].device
        std = loaded.std.to(device)  # [1,3,1,1]
        self._scale, self._offset = 1 / std, -loaded.mean.to(device) / std
        self._mix = SHARPNESS * torch.tensor(COLOURS, device=device).T  # [3,3], rgb from planes
        self._levels = [plane.requires_grad_() for plane in planes]
        # Bilinear interpolation multiplies by a matrix on either side; all levels share a product.
        height, width = loaded.sides
        self._across = [_interpolation(plane.shape[-1], width, device) for plane in planes[:-1]]
        down = [_interpolation(plane.shape[-2], height, device) for plane in planes[:-1]]
        weighted = [gain * one for gain, one in zip(GAINS, down, strict=False)]
        self._down = torch.cat(weighted).T  # [H, sum of h]

    @classmethod
    def resume(
        cls, loaded: LoadedModel, images: Tensor, state: Mapping[str, Tensor], device: torch.device
    ) -> Natural:
        """From the levels in `state`; the images alone do not determine them.

        Raises:
            OptionError: `state` has no levels.
        """
        names = [f"{cls.PREFIX}{i}" for i in range(len(levels(loaded.size)))]
        if missing := [name for name in names if name not in state]:
            raise OptionError(
                f"these samples have no {', '.join(missing)}, which 'natural' needs to resume from "
                "them; use samples made with 'natural', or parametrisation 'pixels'."
            )
        natural = cls.__new__(cls)
        natural._set(loaded, [state[name].to(device, torch.float32, copy=True) for name in names])
        return natural

    def parameters(self) -> list[Tensor]:
        """The levels, [B,3,s,s] each, coarsest first."""
        return self._levels

    def images(self) -> Tensor:
        """[B,3,S,S] normalised for the model."""
        coarse = zip(self._levels, self._across, strict=False)
        wide = torch.cat([level @ across for level, across in coarse], 2)  # [B,3,sum of h,W]
        fine = self._levels[-1]
        z = torch.add(self._down @ wide, fine, alpha=GAINS[len(self._levels) - 1])  # [B,3,S,S]
        # Centring, contrast and colours in one pass, with separate weights for each image.
        mean, deviation = z.mean((2, 3)), z[:, 0].std((1, 2))  # [B,3], [B]
        weight = self._mix / deviation[:, None, None]  # [B,3,3]
        shift = -CENTRING * weight @ mean[..., None]  # [B,3,1]
        rgb = torch.baddbmm(shift, weight, z.flatten(2)).view_as(z)
        return torch.addcmul(self._offset, rgb.sigmoid(), self._scale)

    def clamp(self) -> None:
        """Nothing to do: every value of the levels is a valid image."""

    def state(self) -> dict[str, Tensor]:
        """The levels in half precision; the error is below half a grey level."""
        return {
            f"{self.PREFIX}{i}": level.detach().half().cpu() for i, level in enumerate(self._levels)
        }
