"""Predictions and images of a run for figures, readable without torch.

evidence.safetensors  predictions of P and Q on every evaluation image, the first images on which
                      they disagree, and their predictions on the samples
frames.webp           the first samples during synthesis, one sheet for each of about ten steps
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from maskaq.data.sheet import sheet
from maskaq.files import reading

APART = 16  # stored images on which P and Q disagree
FRAMES = 12  # at most
_TILE = 96  # side of one image in a frame, in pixels, at most
FILES = _FILE, _FILM = "evidence.safetensors", "frames.webp"
_FRAME_MS = 300


@dataclass(frozen=True, eq=False)
class Evidence:
    """Predictions and images of one run.

    labels: int32 [n], true classes of the evaluation images. answers: int32 [2,n], classes that P
    and Q predict. apart: uint8 [k,3,S,S], the first images on which they disagree, and apart_index:
    int32 [k], the indices of these. seen: int32 [2,N], classes that P and Q predict for the
    samples. certainty: float16 [2,N], their probabilities. alpha: float16 [N,patches], P's
    attention to the patches. classes: names. frames: uint8 [16,3,S,S] or fewer images each. steps:
    the synthesis step of each frame.

    In dense tasks labels, answers and seen are only good for captions. per_class: the main metric
    of P and Q for each class, float [2,K], NaN without any. draws: the main metric in resamples of
    the images, float [2,R]; the resamples are the same for all runs with as many images. shown:
    truth and answers of P and Q on the images `apart` (`tasks.base.Task.shown`).
    """

    labels: NDArray[np.int32]
    answers: NDArray[np.int32]
    apart: NDArray[np.uint8]
    apart_index: NDArray[np.int32]
    seen: NDArray[np.int32]
    certainty: NDArray[np.float16]
    alpha: NDArray[np.float16]
    classes: Sequence[str]
    frames: Sequence[NDArray[np.uint8]] = field(default=(), repr=False)
    steps: Sequence[int] = ()
    per_class: NDArray[np.float32] | None = None
    draws: NDArray[np.float32] | None = None
    shown: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)


_SHOWN = ("maps", "boxes")
_OPTIONAL = ("per_class", "draws")
_ARRAYS = ("labels", "answers", "apart", "apart_index", "seen", "certainty", "alpha")


def write(evidence: Evidence, folder: Path) -> None:
    """Write the files into a run's folder."""
    notes = {"classes": json.dumps(list(evidence.classes)), "steps": json.dumps([*evidence.steps])}
    optional = [name for name in _OPTIONAL if getattr(evidence, name) is not None]
    arrays = {name: getattr(evidence, name) for name in (*_ARRAYS, *optional)}
    arrays |= evidence.shown
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    save_file(contiguous, folder / _FILE, notes)
    if evidence.frames:
        first, *others = [sheet(shrunk(frame)) for frame in evidence.frames]
        first.save(
            folder / _FILM,
            save_all=True,
            append_images=others,
            duration=_FRAME_MS,
            loop=0,
            quality=80,
            minimize_size=True,
        )


def read(folder: Path) -> Evidence | None:
    """The evidence of a stored run, without its frames (see `film`); None if it has none.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    with reading(path, "repeat the run with the command in its folder", SafetensorError):
        with safe_open(path, "np") as file:
            notes = file.metadata() or {}
            extra = {*_OPTIONAL, *_SHOWN} & {*file.keys()}
            arrays = {name: file.get_tensor(name) for name in (*_ARRAYS, *sorted(extra))}
        classes, steps = json.loads(notes["classes"]), json.loads(notes["steps"])
        _check(arrays, classes, steps)
        shown = {name: arrays.pop(name) for name in _SHOWN if name in arrays}
        return Evidence(**arrays, classes=classes, steps=steps, shown=shown)


def _check(arrays: Mapping[str, NDArray[Any]], classes: Any, steps: Any) -> None:
    """Check that shapes match and that predictions are classes.

    Raises:
        ValueError: they are not.
    """
    n, k, samples = len(arrays["labels"]), len(arrays["apart"]), arrays["seen"].shape[-1]
    expected = {
        "answers": (2, n),
        "apart_index": (k,),
        "seen": (2, samples),
        "certainty": (2, samples),
        "alpha": (samples, *arrays["alpha"].shape[1:]),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} is {arrays[name].shape}, expected {shape}")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("classes are not a list of names")
    if not isinstance(steps, list) or not all(isinstance(step, int) for step in steps):
        raise ValueError("steps are not a list of numbers")
    _check_dense(arrays, k, len(classes))
    for name, most in (("labels", len(classes)), ("answers", len(classes)), ("apart_index", n)):
        values = arrays[name]
        if values.size and not 0 <= values.min() <= values.max() < most:
            raise ValueError(f"{name} has values outside 0 to {most - 1}")


def _check_dense(arrays: Mapping[str, NDArray[Any]], apart: int, classes: int) -> None:
    """Check the arrays that only dense tasks have.

    Raises:
        ValueError: a shape or a class is wrong.
    """
    for name, size in (("per_class", (2, classes)), ("draws", (2,))):
        if name in arrays and arrays[name].shape[: len(size)] != size:
            raise ValueError(f"{name} is {arrays[name].shape}, expected {size}")
    for name, axes in (("maps", 4), ("boxes", 4)):
        if name in arrays and (arrays[name].ndim != axes or arrays[name].shape[:2] != (3, apart)):
            raise ValueError(f"{name} is {arrays[name].shape}, expected 3 and {apart} first")
    boxes = arrays.get("boxes")
    if boxes is not None and (boxes.shape[-1] != 6 or not np.isfinite(boxes).all()):
        raise ValueError("boxes are not six finite numbers each")


def film(folder: Path) -> list[Image.Image]:
    """One sheet per entry of `Evidence.steps`; empty for a source that does not optimise images.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / _FILM
    if not path.is_file():
        return []
    damages = EOFError, SyntaxError, Image.DecompressionBombError
    sheets: list[Image.Image] = []
    with reading(path, "repeat the run", *damages), Image.open(path, formats=("WEBP",)) as file:
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            one = file.convert("RGB")  # loads the frame, and with it the duration
            # WebP merges two nearly equal frames into one of twice the duration.
            merged = round(file.info.get("duration", _FRAME_MS) / _FRAME_MS)
            sheets += [one] * max(1, merged)
    return sheets


def shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images [n,3,H,W] averaged over squares of pixels to sides of at most 96: [n,3,h,w]."""
    factor = -(-max(images.shape[-2:]) // _TILE)
    high, wide = (side // factor for side in images.shape[-2:])
    cropped = images[..., : high * factor, : wide * factor]  # [n,3,h*f,w*f]
    cells = cropped.reshape(*images.shape[:2], high, factor, wide, factor)  # [n,3,h,f,w,f]
    mean: NDArray[np.uint8] = cells.mean((3, 5)).round().astype(np.uint8)  # [n,3,h,w]
    return mean
