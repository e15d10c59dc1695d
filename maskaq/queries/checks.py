"""What a visitor can know before a run: whether files can be used, and the cost of runs."""

import json
from collections.abc import Sequence
from typing import Any

from maskaq.config.parsing import from_dict
from maskaq.data.classes import Classes
from maskaq.data.folder import list_images, load_images
from maskaq.queries import model_cache
from maskaq.runs.estimate import estimate, total


def inspect(
    model: str,
    weights: str = "",
    folder: str = "",
    class_names: str = "",
    skip_unreadable: bool = False,
) -> dict[str, Any]:
    """Check that weights fit a model and that a folder of labelled images can be used.

    Args:
        skip_unreadable: accept a folder whose first image cannot be read.

    Returns:
        classes: outputs of the model. size: side of its images in pixels. images: number of images
        in the folder, and labels: number of classes they have; both 0 without a folder. notes: what
        was decided while reading the weights and images, or left out.

    Raises:
        MaskaqError: weights or images cannot be used.
    """
    loaded = model_cache.named(model, weights, class_names)
    names, synsets = loaded.class_names, loaded.synsets
    labels: set[int] = set()
    images, notes = 0, loaded.notes
    if folder:
        listing = list_images(folder, Classes(len(names), names, synsets))
        images, labels = len(listing.items), {item.label for item in listing.items}
        notes += listing.notes
        if not skip_unreadable:
            # Read one image, to report an unreadable folder now rather than in the run.
            config, count = loaded.data_config, len(names)
            load_images(folder, config, synsets=synsets, classes=count, names=names, limit=1)
    found = {"images": images, "labels": len(labels), "notes": list(notes)}
    return {"classes": len(names), "size": loaded.size} | found


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
