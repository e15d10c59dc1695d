"""The supported architectures of transformers; any other is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskaq.errors import ModelError

# Weights that may be missing: nothing that the outputs depend on.
SPARE = re.compile(r"auxiliary_head\.|backbone\.(swin\.)?layernorm\.|.*\.num_batches_tracked$")
# Backbones of UPerNet, as `model_type` in config.json: Swin, and ViTs of two kinds.
BACKBONES = ("swin", "beit", "dinov2", "dinov2_with_registers")
_BACKBONE = "backbone_config"


@dataclass(frozen=True)
class Family:
    """An architecture.

    architecture: its class in transformers. title: its usual name. task: a name in
    `maskaq.tasks.TASKS`. outputs: the layers that compute the outputs. square: whether images have
    to be square.
    """

    architecture: str
    title: str
    task: str
    outputs: tuple[str, ...]
    square: bool = False

    def body(self, config: Any) -> Any:
        """The part of a configuration, as the class of transformers, that describes the body."""
        return getattr(config, _BACKBONE) if self is UPERNET else config


SEGFORMER = Family(
    "SegformerForSemanticSegmentation", "SegFormer", "segmentation", ("decode_head.classifier",)
)
UPERNET = Family(
    "UperNetForSemanticSegmentation", "UPerNet", "segmentation", ("decode_head.classifier",)
)
DPT = Family("DPTForSemanticSegmentation", "DPT", "segmentation", ("head.head.4",), square=True)
YOLOS = Family(
    "YolosForObjectDetection",
    "YOLOS",
    "detection",
    ("class_labels_classifier.layers.2", "bbox_predictor.layers.2"),
)
FAMILIES = {one.architecture: one for one in (SEGFORMER, UPERNET, DPT, YOLOS)}
SUPPORTED = ", ".join(f"{one.title} ({one.architecture})" for one in FAMILIES.values())


def family_of(config: Mapping[str, Any], path: Path) -> Family:
    """The architecture that a config.json names.

    path: of the file, for messages.

    Raises:
        ModelError: it names none, one that is not supported, or a backbone that is not supported.
    """
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    if not isinstance(name, str):
        raise ModelError(
            f"{path} does not name an architecture (architectures); supported: {SUPPORTED}."
        )
    if name not in FAMILIES:
        raise ModelError(f"{path} is of {name}, which is not supported; supported: {SUPPORTED}.")
    family = FAMILIES[name]
    if family is UPERNET:
        _check_backbone(config, path)
    if family is DPT and config.get("is_hybrid"):
        raise ModelError(
            f"{path} is of a hybrid DPT, whose patches come from a convolutional network; "
            "supported: DPT without one (is_hybrid false)."
        )
    return family


def _check_backbone(config: Mapping[str, Any], path: Path) -> None:
    own = config.get(_BACKBONE)
    named = own.get("model_type") if isinstance(own, Mapping) else config.get("backbone")
    if isinstance(own, Mapping) and named in BACKBONES:
        return
    raise ModelError(
        f"{path} is of UPerNet with the backbone {named!r}, which is not supported; supported "
        f"({_BACKBONE}.model_type): {', '.join(BACKBONES)}."
    )
