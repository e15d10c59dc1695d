"""Fashion-MNIST garments from IDX files (Xiao, Rasul, Vollgraf 2017; MIT licence).

The 10 000 test garments ship with the package. The 60 000 training garments are only needed to
train the bundled model; they are read from a folder given by the user, or from the folder of
Debian's package `dataset-fashion-mnist`.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maskaq.errors import DataError

CLASS_NAMES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
BUNDLED = Path(__file__).parent / "idx"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_UNSIGNED_BYTE = 0x08
# Size of the largest IDX file of this data set; a larger one is a decompression bomb.
_LARGEST = 60_000 * 28 * 28 + 16


def read_idx(path: Path, shape: tuple[int, ...]) -> Tensor:
    """Read a gzipped IDX file of unsigned bytes that must have exactly this shape.

    Returns:
        A uint8 tensor of that shape.

    Raises:
        DataError: the file is missing, damaged, truncated, or has another type or shape.
    """
    try:
        with gzip.open(path) as stream:
            raw = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist. Install Debian's package dataset-fashion-mnist, or pass "
            "--fashion-mnist DIR with the four IDX files in DIR."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is not a complete gzip file ({error}); download it again."
        ) from error
    header = 4 + 4 * len(shape)
    expected = (0, 0, _UNSIGNED_BYTE, len(shape), *shape)
    start = struct.unpack(f">4B{len(shape)}I", raw[:header]) if len(raw) >= header else tuple(raw)
    if start != expected:
        raise DataError(
            f"{path} starts with {start}; expected {expected}: the IDX magic for unsigned bytes, "
            f"then the dimensions {shape}. Download it again."
        )
    size = math.prod(shape)
    if len(raw) != header + size:
        raise DataError(
            f"{path} contains {len(raw) - header} bytes of data; expected {size} for {shape}. "
            "Download it again."
        )
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=header).copy()).reshape(shape)


def garments(part: str, folder: Path | None = None) -> tuple[Tensor, Tensor]:
    """Garments and labels of one part of the data set.

    Args:
        part: `"test"` (bundled, 10 000) or `"train"` (60 000, from `folder`).
        folder: folder of the IDX files; None takes the bundled ones or those of Debian's package.

    Returns:
        Images uint8 [N,28,28] and labels int64 [N] in 0..9.

    Raises:
        DataError: as `read_idx`, and for labels above 9.
    """
    if part == "test":
        where, prefix, count = folder or BUNDLED, "t10k", 10_000
    else:
        where, prefix, count = folder or DEBIAN, "train", 60_000
    images = read_idx(where / f"{prefix}-images-idx3-ubyte.gz", (count, 28, 28))
    labels = read_idx(where / f"{prefix}-labels-idx1-ubyte.gz", (count,)).long()
    if int(labels.max()) >= len(CLASS_NAMES):
        raise DataError(f"{where} has a label {int(labels.max())}; labels must be 0 to 9.")
    return images, labels
