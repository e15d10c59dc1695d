"""The stored photographs, with the attention of timm's ViT-Tiny to them; read without torch.

They belong to the world `photographs` of `maskaq.precomputed.worlds`.
"""

import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskaq.precomputed import worlds
from maskaq.precomputed.worlds import BITS, SOURCES

WORLD = "photographs"
MODEL = worlds.MODELS[WORLD]
_SOURCE = SOURCES.index("maskaq")  # of the images that Q was fitted to

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Photograph:
    """One photograph. arrays: as `World.picture` returns them. heads: per block."""

    title: str
    arrays: dict[str, NDArray[Any]]
    classes: list[str]

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """As the model sees it, uint8 [3,S,S]."""
        with Image.open(BytesIO(self.arrays["image"].tobytes()), formats=["WEBP"]) as picture:
            pixels = np.asarray(picture.convert("RGB"))  # [S,S,3]
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    @property
    def alpha(self) -> Floats:
        """The attention weight of every patch in P [N]."""
        weights: Floats = self.arrays["alpha"]
        return weights

    def rows(self, query: int | None) -> Floats:
        """P's attention from a patch, or from the class token for None, to every patch [L,H,N]."""
        if query is None:
            return _decoded(self.arrays["cls"])
        blocks, heads, patches = self.arrays["cls"].shape
        flat = np.frombuffer(zlib.decompress(self.arrays["full"].tobytes()), np.uint8)
        tokens = round((flat.size / (blocks * heads)) ** 0.5)
        prefix = tokens - patches
        full = flat.reshape(blocks, heads, tokens, tokens)
        return _decoded(full[:, :, prefix + query, prefix:])

    def q_rows(self, bits: str) -> Floats:
        """Attention of the class token of a Q [L,H,N]; that of patches is not stored."""
        return _decoded(self.arrays["q_cls"][_SOURCE, BITS.index(bits)])

    def said(self, bits: str) -> dict[str, tuple[str, float]]:
        """What P, and Q if it is stored, answer: by `p` and `q`, a class and its probability."""
        found = {"p": (self.arrays["classes"], self.arrays["probabilities"])}
        if bits in BITS:
            place = _SOURCE, BITS.index(bits)
            found["q"] = (self.arrays["q_classes"][place], self.arrays["q_probabilities"][place])
        return {name: (self.classes[one[0]], float(two[0])) for name, (one, two) in found.items()}


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The names of the photographs."""
    pictures = worlds.read(WORLD).about["pictures"]
    return tuple(one["name"] for one in pictures if one["kind"] == "photograph")


@lru_cache(maxsize=32)
def photograph(name: str) -> Photograph:
    """One photograph. It is shared: do not modify it.

    Raises:
        OptionError: unknown photograph. RunError: its file is damaged.
    """
    world = worlds.read(WORLD)
    arrays = world.picture(name)
    title = next(one["title"] for one in world.about["pictures"] if one["name"] == name)
    return Photograph(title, arrays, world.about["classes"])


def _decoded(levels: NDArray[np.uint8]) -> Floats:
    """Probabilities from 8 bits, see `maskaq.queries.look.encoded`."""
    return np.square(levels.astype(np.float32) / 255)
