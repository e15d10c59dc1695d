"""The bundled images of each task, with the truth in the form of `maskaq.tasks`."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from maskaq.data.drawing import SIZE
from maskaq.data.group_scenes import ABSENT, GroupScenes, group_scenes
from maskaq.data.scenes import scenes
from maskaq.errors import OptionError, unknown

Labelled = tuple[Tensor, Tensor]
_Set = Callable[[str, Sequence[int], int], Labelled]


def scene_set(task: str, split: str, indices: Sequence[int], seed: int = 0) -> Labelled:
    """Images uint8 [B,3,64,64] of a task, and their truth [B,..].

    Args:
        split, indices, seed: as in `scenes`.

    Raises:
        OptionError: there are none for this task, or unknown split.
        DataError: an index outside the split.
    """
    if task not in _SETS:
        raise OptionError(unknown("task", task, _SETS))
    return _SETS[task](split, indices, seed)


def objects_of(found: GroupScenes) -> Tensor:
    """The garments [B,4,5] of scenes: class, or -1, and box in shares of the sides."""
    boxes = (found.boxes / SIZE).masked_fill((found.labels == ABSENT)[..., None], 0)
    return torch.cat([found.labels[..., None].float(), boxes], -1)  # [B,4,5]


def _classes(split: str, indices: Sequence[int], seed: int) -> Labelled:
    found = scenes(split, indices, seed)
    return found.images, found.labels


def _maps(split: str, indices: Sequence[int], seed: int) -> Labelled:
    found = group_scenes(split, indices, seed)
    return found.images, found.classes


def _boxes(split: str, indices: Sequence[int], seed: int) -> Labelled:
    found = group_scenes(split, indices, seed)
    return found.images, objects_of(found)


_SETS: Mapping[str, _Set] = {
    "classification": _classes,
    "segmentation": _maps,
    "detection": _boxes,
}
