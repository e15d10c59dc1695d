"""What a run keeps for the eye beside its numbers, readable without torch.

evidence.safetensors  answers of P and Q on every evaluation image, the first images on which they
                      differ, and what both see in the samples
frames.webp           the first samples as they formed, one sheet for each of about ten steps
"""

from __future__ import annotations

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
from maskaq.errors import RunError

APART = 16  # images of disagreement that are kept
FRAMES = 12  # at most
_TILE = 96  # pixels of one image in a frame, at most
FILES = _FILE, _FILM = "evidence.safetensors", "frames.webp"
_FRAME_MS = 300


@dataclass(frozen=True, eq=False)
class Evidence:
    """Answers and pictures of one run.

    labels: int32 [n], true classes of the evaluation images. answers: int32 [2,n], of P and Q.
    apart: uint8 [k,3,S,S], the first images on which they differ, and apart_index: int32 [k],
    which ones these are. seen: int32 [2,N], what P and Q see in the samples. certainty: float16
    [2,N], their probabilities. alpha: float16 [N,patches], P's attention to the patches. classes:
    their names. frames: uint8 [16,3,S,S] or fewer each. steps: the synthesis step of each.
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


_ARRAYS = ("labels", "answers", "apart", "apart_index", "seen", "certainty", "alpha")


def write(evidence: Evidence, folder: Path) -> None:
    """Put the files into a run's folder."""
    notes = {"classes": json.dumps(list(evidence.classes)), "steps": json.dumps([*evidence.steps])}
    arrays = {name: np.ascontiguousarray(getattr(evidence, name)) for name in _ARRAYS}
    save_file(arrays, folder / _FILE, notes)
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
    """The evidence of a stored run, without its frames (see `film`); None where a run has none.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "np") as file:
            notes = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        classes, steps = json.loads(notes["classes"]), json.loads(notes["steps"])
        _check(arrays, classes, steps)
        return Evidence(**arrays, classes=classes, steps=steps)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"{path} cannot be read ({error}); repeat the run with the command in its folder."
        ) from error


def _check(arrays: Mapping[str, NDArray[Any]], classes: Any, steps: Any) -> None:
    """Shapes that belong together, and answers that are classes.

    Raises:
        ValueError: they do not.
    """
    n, k, samples = len(arrays["labels"]), len(arrays["apart"]), arrays["seen"].shape[-1]
    wanted = {
        "answers": (2, n),
        "apart_index": (k,),
        "seen": (2, samples),
        "certainty": (2, samples),
        "alpha": (samples, *arrays["alpha"].shape[1:]),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} is {arrays[name].shape}, expected {shape}")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("classes are no list of names")
    if not isinstance(steps, list) or not all(isinstance(step, int) for step in steps):
        raise ValueError("steps are no list of numbers")
    for name, most in (("labels", len(classes)), ("answers", len(classes)), ("apart_index", n)):
        values = arrays[name]
        if values.size and not 0 <= values.min() <= values.max() < most:
            raise ValueError(f"{name} has values outside 0 to {most - 1}")


def film(folder: Path) -> list[Image.Image]:
    """One sheet per entry of `Evidence.steps`; empty for a source that optimises nothing.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / _FILM
    if not path.is_file():
        return []
    try:
        with Image.open(path, formats=("WEBP",)) as file:
            sheets = []
            for number in range(getattr(file, "n_frames", 1)):
                file.seek(number)
                sheet = file.convert("RGB")
                # WebP keeps one of two frames that hardly differ, and shows it twice as long.
                shown = round(file.info.get("duration", _FRAME_MS) / _FRAME_MS)
                sheets += [sheet] * max(1, shown)
            return sheets
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunError(f"{path} cannot be read ({error}); repeat the run.") from error


def shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images [n,3,S,S] with at most 96 pixels a side, each new pixel the mean of a square."""
    factor = -(-images.shape[-1] // _TILE)
    side = images.shape[-1] // factor
    cut = images[..., : side * factor, : side * factor]
    cells = cut.reshape(*images.shape[:2], side, factor, side, factor)  # [n,3,s,f,s,f]
    mean: NDArray[np.uint8] = cells.mean((3, 5)).round().astype(np.uint8)  # [n,3,s,s]
    return mean
