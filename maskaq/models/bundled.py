"""The models that ship with the library, trained by `python -m maskaq.models.train`.

`scenes_vit` is a plain timm `VisionTransformer` without convolutional stem or BatchNorm,
`scenes_swin` a timm `SwinTransformer` with shifted windows. `scenes_vit_seg` and `scenes_vit_det`
have the body of `scenes_vit` and heads for segmentation and detection. The model cards are stored
next to the checkpoints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from maskaq.data.drawing import SIZE
from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.models.dense import PatchDetector, PatchSegmenter

FOLDER = Path(__file__).parent / "checkpoints"
# The preprocessing that belongs to the weights, in the format of timm's data config.
DATA_CONFIG = {
    "input_size": (3, SIZE, SIZE),
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "crop_pct": 1.0,
    "crop_mode": "center",
}
# The MLP ratio is 2 instead of 4, which keeps the float32 file under 8 MB.
_VIT: Mapping[str, Any] = {
    "img_size": SIZE,
    "patch_size": 8,
    "embed_dim": 192,
    "depth": 6,
    "num_heads": 6,
    "mlp_ratio": 2,
}


@dataclass(frozen=True)
class Bundled:
    """A model whose weights ship with the library.

    architecture: builds it, untrained. summary: of the architecture, for the model card.
    data_config: its preprocessing, as in timm. task: a name in `maskaq.tasks.TASKS`.
    """

    name: str
    architecture: Callable[[], nn.Module]
    summary: str
    data_config: Mapping[str, Any]
    class_names: tuple[str, ...]
    task: str = "classification"

    @property
    def checkpoint(self) -> Path:
        """The file of its weights."""
        return FOLDER / f"{self.name}.safetensors"

    @property
    def card(self) -> Path:
        """The file of its model card."""
        return FOLDER / f"{self.name}.json"


def scenes_vit() -> VisionTransformer:
    """Untrained model: 64x64 input, 64 patches of 8x8 + CLS, 6 blocks, 6 heads, width 192."""
    return VisionTransformer(**_VIT, num_classes=len(CLASS_NAMES))


def scenes_vit_seg() -> PatchSegmenter:
    """Untrained model: the body of `scenes_vit`, logits of 11 classes for each pixel."""
    return PatchSegmenter(classes=len(CLASS_NAMES) + 1, **_VIT)


def scenes_vit_det() -> PatchDetector:
    """Untrained model: the body of `scenes_vit`, one proposal for each patch."""
    return PatchDetector(classes=len(CLASS_NAMES), **_VIT)


def scenes_swin() -> SwinTransformer:
    """Untrained model: 64x64 input, patches of 4x4, windows of 4x4, 8 blocks in three stages.

    The stages have 256, 64 and 16 tokens of width 48, 96 and 192. Every second block shifts its
    windows by 2, except in the last stage, which has a single window. All stages have 3 heads.
    """
    return SwinTransformer(
        img_size=SIZE,
        patch_size=4,
        window_size=4,
        embed_dim=48,
        depths=(2, 4, 2),
        num_heads=(3, 3, 3),
        mlp_ratio=2,
        drop_path_rate=0.0,
        num_classes=len(CLASS_NAMES),
    )


_CLASSES = len(CLASS_NAMES)
VIT = Bundled(
    "scenes_vit",
    scenes_vit,
    "timm VisionTransformer, 64x64 input, patch 8, width 192, 6 blocks, 6 heads, MLP ratio 2",
    DATA_CONFIG,
    CLASS_NAMES,
)
SWIN = Bundled(
    "scenes_swin",
    scenes_swin,
    "timm SwinTransformer, 64x64 input, patch 4, windows of 4 shifted by 2, stages of 2, 4 and 2 "
    "blocks with widths 48, 96 and 192, 3 heads, MLP ratio 2",
    DATA_CONFIG,
    CLASS_NAMES,
)
VIT_SEG = Bundled(
    "scenes_vit_seg",
    scenes_vit_seg,
    f"the body of scenes_vit, a linear head from each patch to its 64 pixels in {_CLASSES + 1} "
    "classes",
    DATA_CONFIG,
    (*CLASS_NAMES, "Background"),
    "segmentation",
)
VIT_DET = Bundled(
    "scenes_vit_det",
    scenes_vit_det,
    f"the body of scenes_vit, a linear head from each patch to {_CLASSES + 1} logits and a box",
    DATA_CONFIG,
    CLASS_NAMES,
    "detection",
)
MODELS: Mapping[str, Bundled] = {one.name: one for one in (VIT, SWIN, VIT_SEG, VIT_DET)}


def of_task(task: str) -> list[Bundled]:
    """The bundled models of a task."""
    return [one for one in MODELS.values() if one.task == task]
