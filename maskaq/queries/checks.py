"""What a visitor can know before a run: whether files can be used, and the cost of runs."""

import json
from collections.abc import Sequence
from typing import Any

from maskaq.config.parsing import from_dict
from maskaq.data.annotations import count_annotated, load_annotated
from maskaq.data.classes import Classes
from maskaq.data.folder import list_images, load_images
from maskaq.models.loading import LoadedModel
from maskaq.queries import model_cache
from maskaq.runs.estimate import estimate, total


def inspect(
    model: str,
    weights: str = "",
    folder: str = "",
    class_names: str = "",
    skip_unreadable: bool = False,
) -> dict[str, Any]:
    """Check that weights fit a model and that a folder of images with their truth can be used.

    Args:
        skip_unreadable: accept a folder whose first image cannot be read.

    Returns:
        task: of the model. classes: its outputs. size: side of its images in pixels. images: number
        of images in the folder, and labels: number of classes they have; both 0 without a folder,
        and labels is 0 for maps and boxes. notes: what was decided while reading the weights and
        images, or left out.

    Raises:
        MaskaqError: weights or images cannot be used.
    """
    loaded = model_cache.named(model, weights, class_names)
    images, labels, notes = 0, 0, loaded.notes
    if folder:
        check = _annotated if loaded.dense else _labelled
        images, labels, noted = check(loaded, folder, skip_unreadable)
        notes += noted
    about = {"task": loaded.task, "classes": len(loaded.class_names), "size": loaded.size}
    return about | {"images": images, "labels": labels, "notes": list(notes)}


# One image is read, to report an unreadable folder now rather than in the run.
def _labelled(loaded: LoadedModel, folder: str, skip: bool) -> tuple[int, int, tuple[str, ...]]:
    names, synsets = loaded.class_names, loaded.synsets
    listing = list_images(folder, Classes(len(names), names, synsets))
    if not skip:
        config, count = loaded.data_config, len(names)
        load_images(folder, config, synsets=synsets, classes=count, names=names, limit=1)
    return len(listing.items), len({item.label for item in listing.items}), listing.notes


def _annotated(loaded: LoadedModel, folder: str, skip: bool) -> tuple[int, int, tuple[str, ...]]:
    task, names = loaded.task, loaded.class_names
    count = count_annotated(task, folder, names)
    if skip:
        return count, 0, ()
    return count, 0, load_annotated(task, folder, loaded.data_config, names, limit=1).notes


def cost(specs: Sequence[str]) -> dict[str, Any]:
    """The cost of runs done one after the other on this worker, from a short measurement.

    Args:
        specs: of the runs, as JSON.

    Returns:
        seconds. memory_mb: the least memory needed.

    Raises:
        MaskaqError: what a run would raise at its start.
    """
    runs = [from_dict(json.loads(spec)) for spec in specs]
    result = total(runs, estimate(runs))
    return {"seconds": result.seconds, "memory_mb": result.memory_mb}
