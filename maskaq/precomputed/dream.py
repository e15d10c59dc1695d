"""A painting, and pictures that P segments so; read without torch.

`python -m benchmarks.dream` writes the file. Its arrays are those of `maskaq.queries.dream.dream`,
and the painting, uint8 [h,w].
"""

from functools import lru_cache
from typing import Any, NamedTuple

from numpy.typing import NDArray

from maskaq.precomputed.dense import FOLDER, contents

FILE = FOLDER / "dream.safetensors"
COMMAND = "python -m benchmarks.dream"


class Dream(NamedTuple):
    """about: model, weights (SHA-256), classes, seed, device, created."""

    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@lru_cache(maxsize=1)
def read() -> Dream:
    """The stored dream. It is shared: do not modify it.

    Raises:
        RunError: the file is missing or damaged.
    """
    return Dream(*contents(FILE))
