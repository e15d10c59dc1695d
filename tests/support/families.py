"""A tiny model of every family of backbones, with random weights of which none is zero."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timm.layers import GluMlp, RmsNorm, SwiGLU
from timm.layers.attention import Attention
from timm.models.beit import Beit
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn

from maskaq.models.structure import example_input

CLASSES = 5
_SIZE = {"embed_dim": 24, "depth": 1, "num_heads": 3, "num_classes": CLASSES}
_PLAIN = {"img_size": 32, "patch_size": 8, **_SIZE}
_AVERAGE = {"class_token": False, "global_pool": "avg"}
_STAGES = {"patch_size": 4, "embed_dim": 12, "num_heads": (2, 2), "num_classes": CLASSES}
_WINDOWS = {"img_size": 32, "depths": (2, 1), "window_size": 4, **_STAGES}


class _Gated(Attention):
    """With a gate on the head outputs."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, gated=True)


def _plain(**options: Any) -> VisionTransformer:
    return VisionTransformer(**_PLAIN | options)


def _relpos(**options: Any) -> VisionTransformerRelPos:
    return VisionTransformerRelPos(**_PLAIN | {"qkv_bias": True} | options)


def _beit(**options: Any) -> Beit:
    return Beit(**_PLAIN | {"init_values": 0.1, "use_abs_pos_emb": False} | options)


def _eva(**options: Any) -> Eva:
    return Eva(**_PLAIN | {"use_rot_pos_emb": True} | options)


def _swin(kind: type[nn.Module] = SwinTransformer, **options: Any) -> nn.Module:
    return kind(**_WINDOWS | options)


_DINOV3 = {
    "qkv_bias": False,
    "init_values": 0.1,
    "rope_type": "dinov3",
    "rope_rotate_half": True,
    "use_abs_pos_emb": False,
    "num_reg_tokens": 2,
    "use_fc_norm": False,
}
_SWIGLU = partial(GluMlp, act_layer=nn.SiLU, gate_last=False)

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "vit patch 8": partial(_plain, depth=2),
    "vit patch 14": partial(_plain, img_size=28, patch_size=14),
    "vit patch 16": partial(_plain, img_size=32, patch_size=16),
    "vit patch 32": partial(_plain, img_size=64, patch_size=32),
    "vit 32x48": partial(_plain, img_size=(32, 48)),
    "distilled": lambda: VisionTransformerDistilled(**_PLAIN),
    "layer scale": partial(_plain, init_values=0.1, no_embed_class=True),
    "registers": partial(_plain, reg_tokens=2, no_embed_class=True),
    "average": partial(_plain, **_AVERAGE, fc_norm=False),
    "average, fc_norm": partial(_plain, **_AVERAGE, fc_norm=True),
    "qk-norm": partial(_plain, qk_norm=True),
    "scale norm": partial(_plain, scale_attn_norm=True, scale_mlp_norm=True),
    "gated": partial(_plain, attn_layer=_Gated),
    "swiglu, rms norm": partial(_plain, mlp_layer=SwiGLU, norm_layer=RmsNorm),
    "siglip": partial(_plain, class_token=False, global_pool="map"),
    "relative position": partial(_relpos, depth=2, rel_pos_type="bias", init_values=0.1),
    "relative position, mlp": partial(_relpos, class_token=True, global_pool="token"),
    "beit": partial(_beit, depth=2, use_rel_pos_bias=True),
    "beit, shared bias": partial(_beit, use_shared_rel_pos_bias=True, qkv_bias=True),
    "eva02": partial(_eva, depth=2, swiglu_mlp=True, scale_mlp=True),
    "eva02, separate": partial(_eva, qkv_fused=False, swiglu_mlp=True, scale_attn_inner=True),
    "dinov2": partial(_plain, img_size=28, patch_size=7, init_values=0.1, mlp_layer=_SWIGLU),
    "dinov3": partial(_eva, depth=2, **_DINOV3),
    "swin": _swin,
    "swin, no shift": partial(_swin, depths=(1, 1)),
    "swin, padded": partial(_swin, img_size=28, window_size=3),
    "swin 32x48": partial(_swin, img_size=(32, 48)),
    "swin, partitioned": partial(_swin, window_size=3, always_partition=True),
    "swinv2": partial(_swin, SwinTransformerV2),
    "swinv2, padded": partial(_swin, SwinTransformerV2, img_size=28, window_size=3),
}


@torch.no_grad()
def family(name: str) -> nn.Module:
    """A model of this family, frozen; the same in every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BUILDERS[name]().eval().requires_grad_(False)
        for key, parameter in model.named_parameters():
            if parameter.ndim == 1 and key.endswith(("weight", "gamma")):
                nn.init.uniform_(parameter, 0.5, 1.5)
            elif not key.endswith("logit_scale"):
                nn.init.normal_(parameter, std=max(parameter[0].numel(), 16) ** -0.5)
    return model


def images_of(model: nn.Module, count: int = 3, seed: int = 0) -> Tensor:
    """Normal noise of the size that a model takes, [count,3,rows,columns]."""
    shape = example_input(model).shape[1:]
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
