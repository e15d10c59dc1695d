"""`scenes_vit`: the small real Vision Transformer that ships with the library.

A plain timm `VisionTransformer`, no convolutional stem and no BatchNorm, trained by
`python -m maskaq.models.train`. Its card lies beside the checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from timm.models.vision_transformer import VisionTransformer

from maskaq.data.scenes import CLASS_NAMES, SIZE

FOLDER = Path(__file__).parent / "checkpoints"
CHECKPOINT = FOLDER / "scenes_vit.safetensors"
CARD = FOLDER / "scenes_vit.json"
# What timm calls a data config: the preprocessing that belongs to the weights.
DATA_CONFIG = {
    "input_size": (3, SIZE, SIZE),
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "crop_pct": 1.0,
    "crop_mode": "center",
}


def scenes_vit() -> VisionTransformer:
    """Untrained architecture: 64x64 input, 64 patches of 8x8 + CLS, 6 blocks, 6 heads, width 192.

    The MLP is 2 instead of 4 times as wide, which keeps the float32 file under 8 MB.
    """
    return VisionTransformer(
        img_size=SIZE,
        patch_size=8,
        embed_dim=192,
        depth=6,
        num_heads=6,
        mlp_ratio=2,
        num_classes=len(CLASS_NAMES),
    )
