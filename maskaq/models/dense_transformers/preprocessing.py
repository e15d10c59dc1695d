"""The preprocessing of a model's images, from the files beside its weights.

transformers resizes images in many ways, some to sizes that differ from image to image. Here all
images have one size, to which each is resized as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from maskaq.errors import OptionError
from maskaq.models.dense_transformers.folder import CONFIG, PREPROCESSOR

Sides = tuple[int, int]
_USUAL = 512  # pixels
_LARGEST = 4096  # pixels of a side
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # numbered by Pillow


class Preprocessing(NamedTuple):
    """data_config: in the format of timm. notes: what was assumed."""

    data_config: Mapping[str, Any]
    notes: tuple[str, ...]


def preprocessing(
    processor: Mapping[str, Any] | None,
    image_size: Any,
    step: Sides,
    square: bool,
    size: int | Sequence[int] | None,
) -> Preprocessing:
    """The preprocessing of a model.

    Args:
        processor: content of preprocessor_config.json; None without one.
        image_size: in config.json, in any form; None without one.
        step: what the sides have to be multiples of, in pixels.
        square: whether the images have to be square.
        size: height and width in pixels, or one number for both; None takes those of the files.

    Raises:
        OptionError: the model cannot take this size.
    """
    said = processor or {}
    if size is None:
        sides, notes = _sides(said, image_size, step, square)
    else:
        sides, notes = _checked(size, step, square), []
    mean, std = _channels(said.get("image_mean")), _channels(said.get("image_std"))
    if said.get("do_normalize") is False:
        mean, std = (0.0,) * 3, (1.0,) * 3
    if mean is None or std is None:
        mean, std = IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
        notes.append(
            f"mean and standard deviation of the channels are assumed to be ImageNet's: no "
            f"{PREPROCESSOR} says them"
        )
    factor = 1.0 if said.get("do_rescale") is False else said.get("rescale_factor")
    unit = 1 / (255 * _number(factor, 1 / 255))  # the numbers are for 0..1/unit, not 0..1
    if said.get("do_reduce_labels") or said.get("reduce_labels"):
        notes.append(
            "in the label maps of its data set the classes are numbered from 1, and 0 is no class"
        )
    resample = said.get("resample", 2)
    known = isinstance(resample, int) and 0 <= resample < len(_FILTERS)
    config = {
        "input_size": (3, *sides),
        "interpolation": _FILTERS[resample] if known else "bilinear",
        "mean": tuple(one * unit for one in mean),
        "std": tuple(one * unit for one in std),
        "crop_pct": 1.0,
        "crop_mode": "squash",
    }
    return Preprocessing(config, tuple(notes))


def _checked(size: int | Sequence[int], step: Sides, square: bool) -> Sides:
    """The size that a user asks for."""
    sides = _pair(size)
    shown = f"size is {size!r}; "
    if sides is None or max(sides) > _LARGEST:
        raise OptionError(
            f"{shown}allowed: one or two whole numbers of pixels from 1 to {_LARGEST}."
        )
    if square and sides[0] != sides[1]:
        raise OptionError(f"{shown}this model takes square images only.")
    if sides != _rounded(sides, step):
        near = " x ".join(map(str, _rounded(sides, step)))
        raise OptionError(
            f"{shown}this model needs multiples of {step[0]} x {step[1]} pixels, such as {near}."
        )
    return sides


def _sides(
    said: Mapping[str, Any], image_size: Any, step: Sides, square: bool
) -> tuple[Sides, list[str]]:
    """Height and width from the files, and notes."""
    own = said.get("crop_size" if said.get("do_center_crop") else "size")
    notes = []
    if isinstance(own, Mapping) and "shortest_edge" in own:
        sides = _pair(own["shortest_edge"])
        notes = [f"images are resized without keeping their aspect ratio, unlike in {PREPROCESSOR}"]
    else:
        sides = _pair((own.get("height"), own.get("width")) if isinstance(own, Mapping) else own)
    if sides is None and (sides := _pair(image_size)) is not None:
        notes = [f"the image size is that of {CONFIG}: no {PREPROCESSOR} says it"]
    if sides is None:
        sides, notes = (_USUAL, _USUAL), [f"the image size is assumed to be {_USUAL} pixels"]
    if square and sides[0] != sides[1]:
        sides = (min(sides), min(sides))
        notes.append(f"images are square, of {sides[0]} pixels, as the model needs")
    if sides != (near := _rounded(sides, step)):
        was, now = (" x ".join(map(str, one)) for one in (sides, near))
        notes.append(f"the image size is {now} instead of {was}, as the model needs")
    return near, notes


def _rounded(sides: Sides, step: Sides) -> Sides:
    """The nearest sides that are multiples of the step, at least one step."""
    height, width = (max(1, round(a / b)) * b for a, b in zip(sides, step, strict=True))
    return height, width


def _pair(value: Any) -> Sides | None:
    """Height and width, from one number or both; None if these are no sides of an image."""
    both = list(value) if isinstance(value, list | tuple) else [value, value]
    whole = [one for one in both if isinstance(one, int) and not isinstance(one, bool) and one > 0]
    return (whole[0], whole[1]) if len(both) == 2 and len(whole) == 2 else None


def _channels(value: Any) -> tuple[float, ...] | None:
    """Three numbers; None if these are not."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    good = [isinstance(one, int | float) and math.isfinite(one) for one in value]
    return tuple(float(one) for one in value) if all(good) else None


def _number(value: Any, default: float) -> float:
    good = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return float(value) if good else default
