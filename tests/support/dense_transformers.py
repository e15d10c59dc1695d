"""A tiny dense model of transformers of every supported kind, with random weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

NAMES = ("wall", "sky", "tree", "cat", "dog")
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
_LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}
_VIT = {"hidden_size": 16, "num_attention_heads": 2, "image_size": 64, "patch_size": 16}
_STAGES = {"out_features": ["stage1", "stage2"]}


def segformer(**changes: Any) -> nn.Module:
    """64 px: tokens 16x16, 8x8 and 4x4; keys 4x4 each."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    options = {
        "num_encoder_blocks": 3,
        "depths": [1, 2, 1],
        "sr_ratios": [4, 2, 1],
        "hidden_sizes": [16, 16, 32],
        "patch_sizes": [7, 3, 3],
        "strides": [4, 2, 2],
        "num_attention_heads": [1, 2, 2],
        "mlp_ratios": [2, 2, 2],
        "decoder_hidden_size": 16,
    }
    return SegformerForSemanticSegmentation(SegformerConfig(**options | _LABELS | changes))


def _upernet(backbone: Any, channels: int = 16, **changes: Any) -> nn.Module:
    from transformers import UperNetConfig, UperNetForSemanticSegmentation

    options = {"hidden_size": 16, "auxiliary_in_channels": channels, "auxiliary_channels": 8}
    options |= {"backbone_config": backbone, "pool_scales": [1, 2]}
    return UperNetForSemanticSegmentation(UperNetConfig(**options | _LABELS | changes))


def upernet_swin(absolute: bool = False, **changes: Any) -> nn.Module:
    """56 px: tokens 14x14, 7x7 and 4x4, in windows of 4 that reach beyond the first two.

    absolute: whether it has position embeddings.
    """
    from transformers import SwinConfig

    stages = ["stage1", "stage2", "stage3"]
    swin = SwinConfig(
        image_size=56,
        patch_size=4,
        embed_dim=16,
        depths=[2, 2, 1],
        num_heads=[1, 2, 2],
        window_size=4,
        mlp_ratio=2,
        use_absolute_embeddings=absolute,
        out_features=stages,
    )
    return _upernet(swin, 64, **changes)


def upernet_dinov2(**changes: Any) -> nn.Module:
    from transformers import Dinov2Config

    return _upernet(
        Dinov2Config(num_hidden_layers=2, mlp_ratio=2, **_VIT | _STAGES),
        use_auxiliary_head=False,
        **changes,
    )


def upernet_registers(**changes: Any) -> nn.Module:
    from transformers import Dinov2WithRegistersConfig

    body = {"num_hidden_layers": 2, "mlp_ratio": 2, "num_register_tokens": 3}
    return _upernet(
        Dinov2WithRegistersConfig(**body | _VIT | _STAGES), use_auxiliary_head=False, **changes
    )


def upernet_beit(**changes: Any) -> nn.Module:
    """With relative positions and a feature pyramid, which has transposed convolutions."""
    from transformers import BeitConfig

    body = {"num_hidden_layers": 4, "intermediate_size": 32, "out_indices": [1, 2, 3, 4]}
    own = {"use_relative_position_bias": True, "add_fpn": True}
    return _upernet(BeitConfig(**body | own | _VIT), **changes)


def dpt(**changes: Any) -> nn.Module:
    from transformers import DPTConfig, DPTForSemanticSegmentation

    options = {
        "num_hidden_layers": 4,
        "intermediate_size": 32,
        "backbone_out_indices": [0, 1, 2, 3],
        "neck_hidden_sizes": [8, 8, 16, 16],
        "fusion_hidden_size": 16,
    }
    return DPTForSemanticSegmentation(DPTConfig(**options | _VIT | _LABELS | changes))


def yolos(**changes: Any) -> nn.Module:
    from transformers import YolosConfig, YolosForObjectDetection

    options = {"num_hidden_layers": 2, "intermediate_size": 32, "num_detection_tokens": 7}
    size = {"image_size": [64, 64]}
    return YolosForObjectDetection(YolosConfig(**options | _VIT | size | _LABELS | changes))


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "segformer": segformer,
    "upernet, swin": upernet_swin,
    "upernet, dinov2": upernet_dinov2,
    "upernet, registers": upernet_registers,
    "upernet, beit": upernet_beit,
    "dpt": dpt,
    "yolos": yolos,
}
# Attention is not simply between all patches: SegFormer, Swin, YOLOS.
WINDOWED = ("segformer", "upernet, swin", "yolos")


@torch.no_grad()
def build(name: str, **changes: Any) -> Any:
    """A model of transformers, frozen; the same in every call. Its outputs depend on the image."""
    generator = torch.Generator().manual_seed(0)
    model = BUILDERS[name](**changes).eval().requires_grad_(False)
    for module in model.modules():
        for key, parameter in module.named_parameters(recurse=False):
            rows = parameter if isinstance(module, nn.ConvTranspose2d) else parameter[:1]
            if "Norm" in type(module).__name__ and key == "weight":
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                std = max(rows.numel() if parameter.ndim > 1 else 25, 16) ** -0.5
                parameter.normal_(0, std, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model


def side_of(name: str) -> int:
    """Side of the images in pixels."""
    return 56 if name == "upernet, swin" else 64


def save(model: Any, folder: Path, side: int = 64, **processor: Any) -> Path:
    """Write a model as transformers does, with a preprocessor_config.json."""
    model.save_pretrained(folder)
    said = {
        "image_mean": MEAN,
        "image_std": STD,
        "size": {"height": side, "width": side},
        "resample": 3,
        **processor,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def noise(name: str, count: int = 3) -> Tensor:
    """Normalised images [count,3,S,S]."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, side_of(name), side_of(name), generator=generator)
