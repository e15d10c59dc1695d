"""Pictures in every format and mode that Pillow reads, as upright RGB with 8 bits per channel.

Needs only numpy and Pillow.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps

from maskaq.errors import DataError

MOST_PIXELS = 89_478_485  # Pillow warns of larger pictures; one of this size takes 360 MB
# EPS would start Ghostscript on the file. Of an MPEG video, Pillow only reads the size.
_NOT_DECODED = frozenset(("EPS", "MPEG"))
_DEEP = 257  # 65535 / 255
_DIM = 4096  # greys of a 12-bit camera that are stored in 16 bits
# Values of 32-bit greys: the largest one, and the factor to 0..255. Formats do not state the range.
_INTEGER_RANGES = ((255, 1.0), (65535, 1 / _DEEP))
_FLOAT_RANGES = ((1, 255.0), *_INTEGER_RANGES)

# What may be decided about a picture. `{}` is the number of images, such as "3 images".
FACTS: Mapping[str, str] = {
    "turned": "{} turned upright, as the EXIF data say",
    "transparent": "{} with transparent parts, which are shown on white",
    "frames": "{} with several frames or pages, of which the first is used",
    "cmyk": "{} converted from CMYK without a colour profile",
    "deep": "{} with 16-bit greys, divided by 257",
    "dim": "{} with 16-bit greys that are all below 4,096 of 65,535, and so are almost black",
    "one": "{} with 32-bit greys, taken to be from 0 to 1",
    "byte": "{} with 32-bit greys, taken to be from 0 to 255",
    "word": "{} with 32-bit greys, taken to be from 0 to 65,535",
}
_RANGE_FACTS = {1: "one", 255: "byte", 65535: "word"}


class Decoded(NamedTuple):
    """A picture in mode RGB, and what was decided about it: keys of `FACTS`."""

    picture: Image.Image
    facts: tuple[str, ...]


@cache
def formats() -> frozenset[str]:
    """The formats that the installed Pillow decodes, such as `PNG`."""
    Image.init()
    return frozenset(
        name
        for name, (factory, _) in Image.OPEN.items()
        if name not in _NOT_DECODED and not _is_stub(factory)
    )


def _is_stub(factory: object) -> bool:
    """Whether Pillow only recognises a format and needs a decoder from elsewhere."""
    return isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)


@cache
def endings() -> frozenset[str]:
    """Endings of these formats, in lower case and with the dot."""
    return frozenset(
        ending for ending, name in Image.registered_extensions().items() if name in formats()
    )


@cache
def _signed_formats() -> tuple[str, ...]:
    """Formats whose files start with a signature."""
    return tuple(sorted(name for name in formats() if Image.OPEN[name][1] is not None))


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings of odd metadata; for the main thread, around all others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_picture(path: Path) -> bool:
    """Whether a file, whatever its name, starts as a picture does."""
    try:
        with Image.open(path, formats=_signed_formats()):
            return True
    except Exception:  # the readers raise many types of exceptions on other files
        return False


def decode(source: Path | IO[bytes]) -> Decoded:
    """Read a picture from a file or from its bytes.

    Raises:
        DataError: too many pixels, which is checked before they are decoded, or values of an
            unknown range. Pillow raises exceptions of many other types on damaged files.
    """
    with Image.open(source, formats=tuple(formats())) as picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise DataError(
                f"it has {width} x {height} pixels, allowed are {MOST_PIXELS:,} in all; reduce it"
            )
        return upright_rgb(picture)


def upright_rgb(picture: Image.Image) -> Decoded:
    """A picture of any mode in RGB, turned as its EXIF data say, on white where it is transparent.

    Greys of 16 bits are divided by 257. Greys of 32 bits (integers or floats) are scaled by the
    smallest of the usual ranges that holds them.

    Raises:
        DataError: 32-bit greys that are in none of these ranges.
    """
    facts = []
    picture.load()
    if picture.format != "PSD" and getattr(picture, "is_animated", False):
        facts.append("frames")  # the first frame of a PSD file is all layers together
    upright = picture
    if _orientation(picture) in range(2, 9):
        upright = ImageOps.exif_transpose(picture)
        facts.append("turned")
    if upright.mode == "La":  # premultiplied alpha, which Pillow only converts to LA
        upright = upright.convert("LA")
    if upright.mode == "CMYK":
        facts.append("cmyk")
    if upright.mode.startswith(("I", "F")):
        upright, fact = _in_eight_bits(upright, picture.format)
        facts.append(fact)
    rgb = _on_white(upright)
    if rgb is not None:
        facts.append("transparent")
    return Decoded(rgb or upright.convert("RGB"), tuple(facts))


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 for upright; damaged EXIF data do not make a picture unreadable."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the reader of EXIF data raises many types of exceptions
        return 1


def _on_white(picture: Image.Image) -> Image.Image | None:
    """RGB on a white ground; None if nothing is transparent."""
    if not {"A", "a"} & set(picture.getbands()) and "transparency" not in picture.info:
        return None
    layer = picture.convert("RGBA")
    if layer.getchannel("A").getextrema()[0] == 255:
        return None
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")


def _in_eight_bits(picture: Image.Image, kind: str | None) -> tuple[Image.Image, str]:
    """Greys of 16 or 32 bits as 8 bits, in mode L or LA, and how they were scaled.

    kind: the format of the file.
    """
    values = np.asarray(picture)  # [H,W]
    # Pillow reads the 16-bit greys of some formats as 32-bit integers.
    if picture.mode.startswith("I;16") or (picture.mode == "I" and kind in ("PNG", "PPM")):
        greys = np.rint(values / _DEEP)  # [H,W]
        fact = "dim" if 0 < values.max() < _DIM else "deep"
    else:
        greys, fact = _in_known_range(values, picture.mode)
    grey = Image.fromarray(greys.clip(0, 255).astype(np.uint8))
    clear = picture.info.get("transparency")
    if isinstance(clear, int):  # the grey that stands for transparent
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey, fact


def _in_known_range(values: NDArray[np.generic], mode: str) -> tuple[NDArray[np.float64], str]:
    """32-bit greys [H,W] as 0..255, and how they were scaled."""
    wide = values.astype(np.float64)
    low, high = wide.min(), wide.max()
    for largest, factor in _FLOAT_RANGES if mode == "F" else _INTEGER_RANGES:
        if low >= 0 and high <= largest:  # false for NaN
            return np.rint(wide * factor), _RANGE_FACTS[largest]
    raise DataError(
        f"its greys have 32 bits and go from {low:g} to {high:g}, so their scale is unknown; save "
        "it with 8 or 16 bits"
    )
