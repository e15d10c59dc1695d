"""Answers of dense tasks on top of their pictures: regions with their names, and boxes.

Names are written on the picture, so that no colour has to be looked up in a legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from maskaq.figures.style import PALETTE

if TYPE_CHECKING:
    from maskaq.results.artifacts import Evidence

Pixels = NDArray[np.uint8]
_SIDE = 256  # pixels of a picture, at least
_OPACITY = 0.55
_LEAST = 0.02  # share of the picture from which a region gets its name
_NONE = -1  # class of a box that is none
_VOID = 255  # class of pixels without truth


class Shown(NamedTuple):
    """An answer on top of its picture, uint8 [3,h,w], and in words."""

    picture: Pixels
    words: str


def of_evidence(evidence: Evidence) -> list[list[Shown]]:
    """Truth, P's answer and Q's answer for each of the images that a run stores."""
    if not evidence.shown:
        return []
    (values,) = evidence.shown.values()  # [3,k,..]
    return [
        [of_answer(image, one, evidence.classes) for one in answers]
        for image, answers in zip(evidence.apart, values.swapaxes(0, 1), strict=True)
    ]


def of_target(image: Pixels, target: NDArray[Any], names: Sequence[str]) -> Shown:
    """What a synthetic image was made to show: a class map [H,W], or objects [M,5]."""
    if target.ndim == 2 and target.shape[-1] == 5 and target.dtype.kind == "f":
        certain = np.ones((len(target), 1), np.float32)
        return of_answer(image, np.concatenate([target[:, :1], certain, target[:, 1:]], 1), names)
    return of_answer(image, target.astype(np.uint8), names)


def of_answer(image: Pixels, answer: NDArray[Any], names: Sequence[str]) -> Shown:
    """A class map [H,W], whose last class stays without colour, or boxes [M,6]."""
    if answer.dtype.kind == "f":
        numbers, picture = answer[:, 0], with_boxes(image, answer, names)
        last = len(names)
    else:
        last = len(names) - 1
        numbers, picture = np.unique(answer), with_regions(image, answer, names, last)
    found = [names[int(number)] for number in numbers if 0 <= number < last]
    return Shown(picture, ", ".join(dict.fromkeys(found)) or "nothing")


def with_regions(image: Pixels, classes: Pixels, names: Sequence[str], ground: int) -> Pixels:
    """A picture with its regions in colour.

    Args:
        image: uint8 [3,H,W]. classes: class of each pixel [H,W].
        names: of the classes. ground: the class that stays without colour.

    Returns:
        uint8 [3,h,w], enlarged.
    """
    picture, factor = _enlarged(image)
    large = classes.repeat(factor, 0).repeat(factor, 1)  # [h,w]
    colours = np.array([_rgb(number) for number in range(256)])  # [256,3]
    shown = (large != ground) & (large != _VOID)  # [h,w]
    mixed = (1 - _OPACITY) * picture + _OPACITY * colours[large]  # [h,w,3]
    picture = np.where(shown[..., None], mixed, picture)
    picture[_edges(large) & (shown | np.roll(shown, 1, 0) | np.roll(shown, 1, 1))] = 255
    canvas = Image.fromarray(picture.astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    for number in np.unique(large[shown]):
        rows, columns = np.nonzero(large == number)
        if len(rows) >= _LEAST * large.size:
            middle = int(np.median(columns)), int(np.median(rows))
            _label(draw, middle, names[number], _rgb(int(number)), canvas.size)
    return _planes(canvas)


def with_boxes(image: Pixels, boxes: NDArray[np.float32], names: Sequence[str]) -> Pixels:
    """A picture with boxes and their names.

    Args:
        image: uint8 [3,H,W]. boxes: [M,6]: class, or -1, probability, left, top, right and bottom
            as shares of the sides. names: of the classes.

    Returns:
        uint8 [3,h,w], enlarged.
    """
    picture, _ = _enlarged(image)
    canvas = Image.fromarray(picture.astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    for number, certainty, *sides in boxes.tolist():
        if number == _NONE:
            continue
        colour = _rgb(int(number))
        width, height = canvas.size
        left, right = sorted(np.clip([sides[0], sides[2]], 0, 1) * (width - 1))
        top, bottom = sorted(np.clip([sides[1], sides[3]], 0, 1) * (height - 1))
        draw.rectangle((left, top, right, bottom), outline=(0, 0, 0), width=4)
        draw.rectangle((left, top, right, bottom), outline=colour, width=2)
        share = "" if certainty == 1 else f" {100 * certainty:.0f} %"
        _label(draw, (int(left), int(top)), names[int(number)] + share, colour, canvas.size)
    return _planes(canvas)


def _enlarged(image: Pixels) -> tuple[NDArray[np.float64], int]:
    """The picture as [h,w,3] with sides of at least 256 pixels, and its factor."""
    factor = max(1, -(-_SIDE // min(image.shape[1:])))
    large = image.repeat(factor, 1).repeat(factor, 2).transpose(1, 2, 0)  # [h,w,3]
    return large.astype(float), factor


def _edges(classes: Pixels) -> NDArray[np.bool_]:
    """Pixels whose upper or left neighbour has another class, [h,w]."""
    edges = np.zeros(classes.shape, bool)
    edges[1:] |= classes[1:] != classes[:-1]
    edges[:, 1:] |= classes[:, 1:] != classes[:, :-1]
    return edges


def _label(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    colour: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    """A name on a dark plate with an edge in its colour, kept inside the picture."""
    font = ImageFont.load_default(14)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    wide, high = right - left + 8, bottom - top + 6
    x = max(0, min(place[0], size[0] - int(wide) - 1))
    y = max(0, min(place[1], size[1] - int(high) - 1))
    draw.rectangle((x, y, x + wide, y + high), fill=(20, 20, 20), outline=colour, width=2)
    draw.text((x + 4 - left, y + 3 - top), text, fill=(255, 255, 255), font=font)


def _rgb(number: int) -> tuple[int, int, int]:
    """The colour of a class; further classes get darker shades of the same colours."""
    red, green, blue = bytes.fromhex(PALETTE[number % len(PALETTE)][1:])
    shade = 0.65 ** (number // len(PALETTE) % 3)
    return int(red * shade), int(green * shade), int(blue * shade)


def _planes(canvas: Image.Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(canvas, np.uint8).transpose(2, 0, 1))  # [3,h,w]
