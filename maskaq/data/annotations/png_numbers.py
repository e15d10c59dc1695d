"""The class numbers in an annotation: a PNG with one channel of 8 bits, or with a palette.

Values in the file are class numbers. Those of a palette are its positions; the colours are only for
viewing.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from maskaq.data.decoding import MOST_PIXELS
from maskaq.errors import DataError

# Of the PNG specification: the signature, then the chunk IHDR with the bit depth in byte 24 and the
# colour type in byte 25.
_SIGNATURE, _HEADER = b"\x89PNG\r\n\x1a\n", 26
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6


def read_numbers(path: Path) -> NDArray[np.uint8]:
    """The number of each pixel, uint8 [H,W], as the file has them.

    Raises:
        DataError: damaged, not a PNG, too large, or another kind of PNG than the ones above.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
            if not header.startswith(_SIGNATURE) or header[12:16] != b"IHDR":
                raise ValueError("it is not a PNG file")
            file.seek(0)
            reason = _other_kind(depth=header[24], colour=header[25])
            if not reason:
                return _decoded(file)
    except UnidentifiedImageError:
        problem = "its header is damaged"
    except Exception as error:  # decoders raise many types of exceptions on damaged files
        problem = " ".join(str(error).split()) or type(error).__name__
    else:
        raise DataError(f"{path} {reason}")
    raise DataError(f"{path} cannot be read as an annotation ({problem}); replace it.")


def _other_kind(depth: int, colour: int) -> str:
    """Why a kind of PNG does not hold class numbers, and what to do; empty if it does."""
    if colour in (_RGB, _RGB_ALPHA):
        return (
            "is colour-coded (RGB), but an annotation must hold class numbers: save it with one "
            "channel of 8 bits, or with a palette, whose values are the numbers of the classes."
        )
    if colour == _GREY_ALPHA:
        return "has transparent parts; save it with one channel of 8 bits that has class numbers."
    if depth == 16:
        return "has 16 bits per pixel, but class numbers must have 8; save it with 8 bits."
    if colour == _GREY and depth < 8:
        # A program that saves space writes 255 as 1, others write 1 as 1.
        return (
            f"has greys of {depth} bit{'s' * (depth > 1)}, whose class numbers are ambiguous; save "
            "it with 8 bits, or with a palette."
        )
    return ""


def _decoded(file: IO[bytes]) -> NDArray[np.uint8]:
    """The values uint8 [H,W] of a PNG of the kinds above."""
    with Image.open(file, formats=("PNG",)) as picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise ValueError(f"it has {width} x {height} pixels, allowed are {MOST_PIXELS:,}")
        if getattr(picture, "is_animated", False):
            raise ValueError("it has several frames")
        values = np.array(picture)  # [H,W]
        if picture.mode not in ("L", "P") or values.shape != (height, width):
            raise ValueError(f"it is of the mode {picture.mode}")
    return values
