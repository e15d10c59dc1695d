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
from PIL import ExifTags, Image, ImageFile

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
_TURNS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_RANGE_FACTS = {1: "one", 255: "byte", 65535: "word"}


class Decoded(NamedTuple):
    """A picture in mode RGB, and what was decided about it: keys of `FACTS`."""

    picture: Image.Image
    facts: tuple[str, ...]


@cache
def formats() -> tuple[str, ...]:
    """The formats that the installed Pillow decodes, such as `PNG`, in the order it tries them."""
    Image.init()
    readable = (name for name in Image.ID if name in Image.OPEN and name not in _NOT_DECODED)
    return tuple(name for name in readable if not _is_stub(Image.OPEN[name][0]))


def _is_stub(factory: object) -> bool:
    """Whether Pillow only recognises a format and needs a decoder from elsewhere."""
    return isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)


@cache
def endings() -> Mapping[str, str]:
    """These formats by their endings, in lower case and with the dot."""
    found = Image.registered_extensions().items()
    return {ending: name for ending, name in found if name in formats()}


@cache
def _tried(ending: str = "") -> tuple[str, ...]:
    """Formats whose files start with a signature, and the one of the ending.

    A file without a signature may be anything, so that only its ending tells what it is.
    """
    own = endings().get(ending)
    return tuple(name for name in formats() if Image.OPEN[name][1] is not None or name == own)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings of odd metadata; for the main thread, around all others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_picture(path: Path) -> bool:
    """Whether a file, whatever its name, starts as a picture does."""
    try:
        with Image.open(path, formats=_tried()):
            return True
    except Exception:  # the readers raise many types of exceptions on other files
        return False


def decode(source: Path | IO[bytes]) -> Decoded:
    """Read a picture from a file or from its bytes.

    Raises:
        DataError: too many pixels, which is checked before they are decoded, or values of an
            unknown range. Pillow raises exceptions of many other types on damaged files.
    """
    ending = source.suffix.lower() if isinstance(source, Path) else ""
    with Image.open(source, formats=_tried(ending)) as picture:
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
    picture.load()
    facts = ["frames"] if _has_more_frames(picture) else []
    upright = picture
    turn = _TURNS.get(_orientation(picture))
    if turn is not None:
        upright = picture.transpose(turn)
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


def _has_more_frames(picture: Image.Image) -> bool:
    if picture.format == "PSD":  # its frames are the layers of the whole, which comes first
        return False
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # damage after the first frame does not matter
        return False


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
