"""What a visitor can know before a run: whether files can be used, and the cost of runs."""

import json
from collections.abc import Sequence
from typing import Any

from maskaq.config.parsing import from_dict
from maskaq.data.folder import labels_in, load_images
from maskaq.queries import model_cache
from maskaq.runs.estimate import estimate, total


def inspect(model: str, weights: str = "", folder: str = "") -> dict[str, Any]:
    """Check that weights fit a model and that a folder of labelled images can be used.

    Returns:
        classes: outputs of the model. size: side of its images in pixels. images: number of images
        in the folder, and labels: number of classes they have; both 0 without a folder. notes: what
        was decided while reading the weights.

    Raises:
        MaskaqError: weights or images cannot be used.
    """
    loaded = model_cache.model(model, weights)
    classes = len(loaded.class_names)
    labels: list[int] = []
    if folder:
        config, synsets = loaded.data_config, loaded.synsets
        labels = labels_in(folder, synsets=synsets, classes=classes)
        # Read one image, to report an unreadable folder now rather than in the run.
        load_images(folder, config, synsets=synsets, classes=classes, limit=1)
    count = {"images": len(labels), "labels": len(set(labels))}
    return {"classes": classes, "size": loaded.size, "notes": list(loaded.notes)} | count


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
