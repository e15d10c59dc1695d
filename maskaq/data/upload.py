"""A picture uploaded by a visitor, checked before it is decoded.

Needs only numpy and Pillow. The file is never written to disk.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskaq.data.decoding import FACTS, upright_rgb, without_warnings
from maskaq.errors import DataError

MEGABYTES = 4
ENDINGS = ("png", "jpg", "jpeg", "webp")
_FORMATS = ("PNG", "JPEG", "WEBP")
_PIXELS = 16_000_000  # a decoded picture of this size takes 48 MB
_SMALLEST = 8  # pixels on a side
_LARGEST = 1024  # longest side after decoding, more than any model here needs
_NAME = 80  # characters of a file name

_ALLOWED = (
    f"Allowed: one still picture as PNG, JPEG or WebP, up to {MEGABYTES} MB and "
    f"{_PIXELS // 1_000_000} million pixels, at least {_SMALLEST} pixels on each side."
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    name: file name, for labels. pixels: uint8 [H,W,3], read-only. notes: what was decided about it.
    """

    name: str
    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def read_picture(name: str, data: bytes) -> Picture:
    """Decode a picture to RGB, upright, its longest side at most 1024 pixels.

    Transparent parts become white, 16-bit greys are scaled to 8 bits.

    Args:
        name: file name on the visitor's computer.
        data: content of the file.

    Raises:
        DataError: too large, another file format, animated, or damaged. The size in pixels is read
            from the header, before anything is decoded.
    """
    label = PurePath(name.replace("\\", "/")).name[:_NAME] or "picture"
    if not data:
        raise DataError(f"{label} is empty. {_ALLOWED}")
    if len(data) > MEGABYTES * 2**20:
        raise DataError(f"{label} has {len(data) / 2**20:.1f} MB. {_ALLOWED}")
    try:
        with without_warnings():  # of bombs, too: the size is checked below
            picture = Image.open(BytesIO(data), formats=_FORMATS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{label} cannot be opened as a picture. {_ALLOWED}") from error
    with picture:
        width, height = picture.size
        if width * height > _PIXELS or min(width, height) < _SMALLEST:
            raise DataError(f"{label} has {width} x {height} pixels. {_ALLOWED}")
        if getattr(picture, "n_frames", 1) != 1:
            raise DataError(f"{label} is animated. {_ALLOWED}")
        try:
            with without_warnings():
                upright, facts = upright_rgb(picture)
        except Exception as error:  # decoders raise many types of exceptions on damaged files
            raise DataError(f"{label} is damaged and cannot be decoded. {_ALLOWED}") from error
    upright.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    pixels = np.array(upright, dtype=np.uint8)  # [H,W,3]
    pixels.setflags(write=False)
    return Picture(label, pixels, tuple(FACTS[fact].format("1 image") for fact in facts))
