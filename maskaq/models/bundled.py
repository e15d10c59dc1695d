"""`scenes_vit`: the small Vision Transformer that ships with the library.

A plain timm `VisionTransformer` without convolutional stem or BatchNorm, trained by
`python -m maskaq.models.train`. The model card is stored next to the checkpoint.
"""

from pathlib import Path

from timm.models.vision_transformer import VisionTransformer

from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.data.scenes import SIZE

FOLDER = Path(__file__).parent / "checkpoints"
CHECKPOINT = FOLDER / "scenes_vit.safetensors"
CARD = FOLDER / "scenes_vit.json"
# The preprocessing that belongs to the weights, in the format of timm's data config.
DATA_CONFIG = {
    "input_size": (3, SIZE, SIZE),
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "crop_pct": 1.0,
    "crop_mode": "center",
}


def scenes_vit() -> VisionTransformer:
    """Untrained model: 64x64 input, 64 patches of 8x8 + CLS, 6 blocks, 6 heads, width 192.

    The MLP ratio is 2 instead of 4, which keeps the float32 file under 8 MB.
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
