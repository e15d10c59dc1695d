"""The stored results behind the first page, one folder per world; read without torch.

A world is a model with its pictures: photographs with timm's ViT-Tiny, scenes with the bundled
model. `python -m benchmarks.worlds.runs` does its runs, and `python -m benchmarks.worlds.write`
writes its folder:

world.json         accuracies, sizes, the pictures and where everything comes from
pictures/NAME.safetensors   one picture as P and every Q see it
thumbs.webp        the pictures, small, in one row
frames.webp        the first synthetic images as they form, one row per step
synthetic.webp     all synthetic images in one column, the calibration images of live answers
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file

from maskaq.errors import OptionError, unknown
from maskaq.files import reading

FOLDER = Path(__file__).with_name("worlds")
COMMANDS = ("python -m benchmarks.worlds.runs", "python -m benchmarks.worlds.write")
MODELS = {"photographs": "vit_tiny_patch16_224", "scenes": "scenes_vit"}
SOURCES = ("noise", "maskaq", "real")
BITS = ("W8A8", "W6A6", "W4A8", "W4A4", "W3A3", "W2A4")
_REMEDY = "reinstall maskaq"
_QUALITY = 90  # of WebP


@dataclass(frozen=True, eq=False)
class World:
    """A model with its pictures.

    about: the content of `world.json`: model; weights, their SHA-256; classes, their names; blocks,
    heads, grid, prefix and size of the model; pictures, one dict each with name, title, kind
    (`photograph`, `scene` or `synthetic`) and right, the classes that count as right; p, top-1 of P
    on n images with its 95 % interval, in 0..1; q, the same of Q by source and bits; agreement,
    the share of images on which P and Q agree, likewise; bytes, of the weights, by bits and for
    `P`; images, of each source; steps, of the rows of `frames.webp`; commands, device, created.
    """

    name: str
    about: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return FOLDER / self.name

    @property
    def model(self) -> str:
        """The name of P."""
        return str(self.about["model"])

    def picture(self, name: str) -> dict[str, NDArray[Any]]:
        """One picture as P and every Q see it.

        Returns:
            image: a WebP file, uint8 [bytes]. classes, probabilities, cls, alpha, full: P's view,
            see `maskaq.queries.look.look_at`. q_classes int32, q_probabilities float32
            [sources,bits,5] and q_cls uint8 [sources,bits,L,H,N]: the views of every Q.

        Raises:
            OptionError: unknown picture. RunError: the file is damaged.
        """
        names = [one["name"] for one in self.about["pictures"]]
        if name not in names:
            raise OptionError(unknown("picture", name, names))
        path = self.folder / "pictures" / f"{name}.safetensors"
        with reading(path, _REMEDY, SafetensorError):
            return dict(load_file(path))

    def file(self, name: str) -> NDArray[np.uint8]:
        """One of its WebP files, as uint8 [bytes].

        Raises:
            RunError: it cannot be read.
        """
        path = self.folder / name
        with reading(path, _REMEDY):
            return np.frombuffer(path.read_bytes(), np.uint8)

    def synthetic(self) -> NDArray[np.uint8]:
        """The synthetic images uint8 [n,3,S,S], as stored: slightly compressed."""
        with Image.open(BytesIO(self.file("synthetic.webp").tobytes()), formats=["WEBP"]) as column:
            pixels = np.asarray(column.convert("RGB"))  # [nS,S,3]
        side = pixels.shape[1]
        return np.ascontiguousarray(pixels.reshape(-1, side, side, 3).transpose(0, 3, 1, 2))


@lru_cache(maxsize=len(MODELS))
def read(name: str) -> World:
    """The stored results of a world. The world is shared: do not modify it.

    Raises:
        OptionError: unknown world. RunError: its files are missing or damaged.
    """
    if name not in MODELS:
        raise OptionError(unknown("world", name, MODELS))
    path = FOLDER / name / "world.json"
    with reading(path, _REMEDY):
        return World(name, json.loads(path.read_text()))


def worlds() -> list[World]:
    """All worlds, the one shown first in front."""
    return [read(name) for name in MODELS]


def webp(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A WebP file, as uint8 [bytes], of an image uint8 [H,W,3]."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", quality=_QUALITY, method=6)
    return np.frombuffer(stream.getvalue(), np.uint8)


def short_names(classes: Iterable[str]) -> list[str]:
    """Names of classes without their synonyms.

    >>> short_names(["tench, Tinca tinca"])
    ['tench']
    """
    return [name.partition(",")[0] for name in classes]
