"""Checks of the weights and images that a visitor wants to use."""

from __future__ import annotations

from typing import Any

from maskaq.data.folder import labels_in, load_images
from maskaq.queries import model_cache


def inspect(model: str, weights: str = "", folder: str = "") -> dict[str, Any]:
    """Check that weights fit a model and that a folder of labelled images can be used.

    Returns:
        classes: outputs of the model. size: side of its images in pixels. images: number of images
        in the folder, and labels: number of classes they have; both 0 without a folder.

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
    return {
        "classes": classes,
        "size": loaded.size,
        "images": len(labels),
        "labels": len(set(labels)),
    }
