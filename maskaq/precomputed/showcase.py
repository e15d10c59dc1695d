"""Shipped results on eight scenes for P and four Q; read without torch.

`python -m benchmarks.showcase` writes them, so that the pages of the app can show a result before
anything is computed. The Q are those of the shipped runs of the source `maskaq`.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open

from maskaq.errors import OptionError, unknown

FOLDER = Path(__file__).parent / "data"
COMMAND = "python -m benchmarks.showcase"
SCENES = 8
BITS = ("W8A8", "W4A4", "W3A3", "W2A4")
MODELS = ("P", *BITS)
KINDS = ("noise", "scene", "synthetic")

Floats = NDArray[np.float32]


class Scene(NamedTuple):
    """One evaluation scene.

    image: uint8 [3,64,64]. label, name: its class and the name of the class. foreground: bool
    [64,64], the garment's pixels. patches: bool [64], patches with at least half of their pixels in
    the foreground.
    """

    image: NDArray[np.uint8]
    label: int
    name: str
    foreground: NDArray[np.bool_]
    patches: NDArray[np.bool_]


class Similarity(NamedTuple):
    """Similarity of the patches of one image in one block (MaskAQ Eq. 5 to 10).

    matrix: float32 [N,N]. values: float32 [N(N-1)/2], of each pair of different patches. mean, std:
    of the values. kde_x, kde_y: kernel density of the values. gaussian, kernel: differential
    entropy in nats, of the normal distribution and of the kernel density.
    """

    matrix: Floats
    values: Floats
    mean: float
    std: float
    kde_x: Floats
    kde_y: Floats
    gaussian: float
    kernel: float


def scene(number: int) -> Scene:
    """One of the eight scenes, the first of its class in the evaluation split.

    Raises:
        OptionError: unknown scene.
    """
    arrays, names = _scenes()
    if not 0 <= number < SCENES:
        raise OptionError(f"scene is {number!r}; allowed: 0 to {SCENES - 1}.")
    label = int(arrays["labels"][number])
    return Scene(
        arrays["images"][number],
        label,
        names[label],
        arrays["foreground"][number],
        arrays["patches"][number],
    )


@lru_cache(maxsize=SCENES)
def attention(number: int, model: str = "P") -> Floats:
    """P's attention probabilities on a scene, float32 [L,H,T,T]; not stored for the Q.

    Raises:
        OptionError: another model than P.
    """
    if model != "P":
        raise OptionError(f"the full attention is stored for 'P' only, not for {model!r}.")
    return _slice("P.whole", number)


@lru_cache(maxsize=SCENES * len(MODELS))
def cls_rows(number: int, model: str) -> Floats:
    """Attention of the class token to every token, float32 [L,H,T]."""
    return _slice(f"{_known(model)}.cls", number)


@lru_cache(maxsize=SCENES * len(MODELS))
def mean_maps(number: int, model: str) -> Floats:
    """Attention averaged over the heads, float32 [L,T,T]."""
    return _slice(f"{_known(model)}.mean", number)


@lru_cache(maxsize=64)
def similarity(kind: str, block: int, number: int = 0) -> Similarity:
    """Patch similarity in P for one of eight images of a kind.

    The images of kind `scene` are those of `scene()`, the others the first samples of the shipped
    runs of the sources noise and maskaq at W4A4.

    Raises:
        OptionError: unknown kind.
    """
    with _similarities(kind) as file:
        found = {
            name: file.get_slice(f"{kind}.{name}")[number, block]
            for name in ("matrix", "kde_x", "kde_y", "numbers")
        }
    matrix = found["matrix"].astype(np.float32)
    values = matrix[np.triu_indices(len(matrix), 1)]
    mean, std, gaussian, kernel = (float(number) for number in found["numbers"])
    return Similarity(matrix, values, mean, std, found["kde_x"], found["kde_y"], gaussian, kernel)


@lru_cache(maxsize=32)
def picture(kind: str, number: int) -> NDArray[np.uint8]:
    """The image of `similarity`, uint8 [3,64,64].

    Raises:
        OptionError: unknown kind.
    """
    with _similarities(kind) as file:
        image: NDArray[np.uint8] = file.get_slice(f"{kind}.images")[number]
    return image


def entropies() -> pd.DataFrame:
    """Mean entropy of the patch similarity over the images of a kind, in nats.

    Columns kind, block, gaussian, gaussian_low, gaussian_high, kernel, kernel_low, kernel_high
    (95 % intervals over images), n (images) and pairs (of patches per image).
    """
    return _table("entropies")


def overlap() -> pd.DataFrame:
    """Overlap of P's informative mask with the true foreground, over 1 000 evaluation scenes.

    Columns ratio, measure (precision, recall, iou), value, low, high, n, and random_value,
    random_low, random_high for random masks of the same size; all in 0..1.
    """
    return _table("overlap")


def inside_outside() -> pd.DataFrame:
    """Mean |P - Q| of the class token's attention inside and outside the mask, 1 000 scenes.

    Columns bits, ratio, block, part (inside, outside), value, low, high, n. Attention is averaged
    over the heads, and for block -1 also over the blocks. At ratio 1 nothing is outside: n is 0.
    """
    return _table("inside_outside")


def bits() -> pd.DataFrame:
    """Accuracy on 1 000 evaluation scenes for all bit widths, with the samples of W4A4.

    Columns source, weight_bits, activation_bits, top1, low, high, agreement, n, backend and samples
    (first digits of the SHA-256 of their file).
    """
    return _table("bits")


def _known(model: str) -> str:
    if model not in MODELS:
        raise OptionError(unknown("showcase model", model, MODELS))
    return model


@lru_cache(maxsize=1)
def _scenes() -> tuple[dict[str, NDArray[Any]], list[str]]:
    with safe_open(FOLDER / "scenes.safetensors", "np") as file:
        names: list[str] = json.loads(file.metadata()["classes"])
        return {name: file.get_tensor(name) for name in file.keys()}, names  # noqa: SIM118


def _similarities(kind: str) -> Any:
    """The open file of similarities; safetensors has no type hints."""
    if kind not in KINDS:
        raise OptionError(unknown("kind of image", kind, KINDS))
    return safe_open(FOLDER / "similarity.safetensors", "np")


def _slice(name: str, number: int) -> Floats:
    with safe_open(FOLDER / "attention.safetensors", "np") as file:
        found: Floats = file.get_slice(name)[number].astype(np.float32)
    found.setflags(write=False)  # cached and shared by all visitors
    return found


@lru_cache(maxsize=4)
def _read(name: str) -> pd.DataFrame:
    return pd.read_parquet(FOLDER / f"{name}.parquet")


def _table(name: str) -> pd.DataFrame:
    return _read(name).copy()  # callers must not change the cached table
