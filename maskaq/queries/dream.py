"""Pictures that a segmentation model sees as a visitor painted them."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from maskaq.config import Coefficients, SynthesisOptions
from maskaq.errors import DataError, OptionError
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.queries import model_cache
from maskaq.runs.environment import working_precision
from maskaq.synthesis.loop import optimise_images
from maskaq.tasks.segmentation import class_maps

IMAGES = 2  # dreams of one painting, from different noise
STEPS = 60
_MOST = 512  # rows and columns of a painting
# Entropy and alignment prepare images for calibration; a dream only has to show the painting.
_TERMS = replace(Coefficients(), entropy=0.0, align=0.0)
_OPTIONS = SynthesisOptions(images=IMAGES, batch=IMAGES, steps=STEPS, lr=0.1, coefficients=_TERMS)


def dream(
    model: str, weights: str, painting: NDArray[np.uint8], seed: int = 0
) -> dict[str, NDArray[Any]]:
    """Optimise two pictures so that P segments them as painted.

    This is the synthesis of MaskAQ (Eq. 15) without the terms that need Q, and with the painting as
    the target.

    Args:
        model, weights: as in `RunSpec`; a model for segmentation.
        painting: class of each cell, uint8 [h,w]; it is enlarged to the sides of the model's
            images.

    Returns:
        steps: int32 [F], steps done at each stage. images: uint8 [F,2,3,S,S], the pictures at these
        stages. maps: uint8 [F,2,S,S], the class that P gives each of their pixels. target: uint8
        [S,S].

    Raises:
        OptionError: the model is for another task.
        DataError: the painting has another shape, or a class that the model lacks.
        MaskaqError: the model cannot be loaded, or every picture failed.
    """
    loaded = model_cache.model(model, weights)
    if loaded.task != "segmentation":
        raise OptionError(
            f"{loaded.name} is a model for {loaded.task}; only models for segmentation, such as "
            "scenes_vit_seg, can show a painting."
        )
    target = _enlarged(loaded, painting)  # [S,S]
    stages: list[tuple[int, Tensor]] = []
    targets = target.repeat(IMAGES, 1, 1)  # [2,S,S]
    precision = working_precision("auto", "cpu")
    for item in optimise_images(loaded, _OPTIONS, seed=seed, precision=precision, targets=targets):
        if isinstance(item, Event) and item.images is not None:
            stages.append((item.step, item.images))
    images = torch.stack([images for _, images in stages])  # [F,2,3,S,S]
    with torch.inference_mode():
        logits = loaded.model(loaded.normalise(images.flatten(0, 1)))  # [F*2,K,h,w]
    maps = class_maps(logits, loaded.sides).unflatten(0, images.shape[:2])  # [F,2,S,S]
    return {
        "steps": np.array([step for step, _ in stages], np.int32),
        "images": images.numpy(),
        "maps": maps.byte().numpy(),
        "target": target.byte().numpy(),
    }


def _enlarged(loaded: LoadedModel, painting: NDArray[np.uint8]) -> Tensor:
    """The painting at the sides of the model's images, by the nearest cell: int64 [S,S]."""
    sides, classes = painting.shape, len(loaded.class_names)
    if len(sides) != 2 or not all(1 <= side <= _MOST for side in sides):
        raise DataError(
            f"the painting has shape {list(sides)}; allowed: two sides of 1 to {_MOST} cells."
        )
    if painting.max() >= classes:
        raise DataError(
            f"the painting has class {painting.max()}; {loaded.name} has classes 0 to "
            f"{classes - 1}."
        )
    cells = torch.tensor(painting, dtype=torch.float32)[None, None]  # [1,1,h,w]
    return F.interpolate(cells, loaded.sides, mode="nearest-exact")[0, 0].long()  # [S,S]
