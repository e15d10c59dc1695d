"""RepQ-ViT's reparameterization (arXiv 2212.08254): ranges per channel at the price of one.

What LayerNorm puts out differs much from channel to channel, but an integer product wants one step
for all. So each channel is scaled and shifted inside the LayerNorm until one step and zero point
fit them all, and the next layer undoes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.quantizers.range_search import Affine, minmax, sample

__all__ = ["feeder", "fold", "folding"]

# The LayerNorm of a block that feeds a layer, and nothing else.
_FEEDERS = {"attn.qkv": "norm1", "mlp.fc1": "norm2"}


def feeder(model: nn.Module, name: str) -> nn.LayerNorm | None:
    """The LayerNorm that a layer of this dotted name can be folded into; None if there is none."""
    parts = name.split(".")
    block, which = model.get_submodule(".".join(parts[:-2])), _FEEDERS.get(".".join(parts[-2:]))
    norm = getattr(block, which) if which and type(block) is Block else None
    affine = isinstance(norm, nn.LayerNorm) and norm.elementwise_affine and norm.bias is not None
    return norm if affine else None


@torch.no_grad()
def fold(norm: nn.LayerNorm, layer: nn.Linear, channels: Affine) -> Affine:
    """Change both in place so that one range stands for those of the channels.

    With steps s [C], zero points z [C], their means s_t [1], z_t [1], and r = s / s_t:

        gamma <- gamma / r,  beta <- beta / r - b,  W <- W r,  bias <- bias + W b,
        b = s_t (z_t - z)

    The layer's output stays as it was, up to the last digits, and each value keeps its code. z_t is
    rounded before b is derived from it: with the fraction that the released code leaves there,
    codes are no whole numbers.

    Args:
        norm: LayerNorm of C channels. layer: [C_out,C], with a bias.

    Returns:
        s_t and z_t, [1] each.
    """
    scale = channels.scale.mean(0, keepdim=True)  # [1]
    zero_point = channels.zero_point.mean(0, keepdim=True).round()  # [1]
    ratio = channels.scale / scale  # [C]
    offset = scale * (zero_point - channels.zero_point)  # [C]
    norm.weight.div_(ratio)
    norm.bias.div_(ratio).sub_(offset)
    layer.weight.mul_(ratio)  # [C_out,C]
    layer.bias.add_(layer.weight @ offset)  # [C_out]
    return Affine(scale, zero_point)


@contextmanager
def folding(q: nn.Module) -> Iterator[None]:
    """While open, a pass of images sets the ranges of what LayerNorm feeds and folds them.

    For layers that `convert` has marked so. Open it inside `calibrating` or `observing`: their
    observers do not get to see those inputs.
    """
    layers: list[tuple[str, Any]] = [
        (name, module)
        for name, module in q.named_modules()
        if isinstance(module, QuantLinear) and module.folded
    ]
    observers = [layer.input_quantizer.observer for _, layer in layers]
    hooks = []
    for name, layer in layers:
        norm = feeder(q, name)
        assert norm is not None
        hooks.append(norm.register_forward_hook(partial(_fold_now, layer)))
        layer.input_quantizer.observer = None
    try:
        yield
    finally:
        for hook, (_, layer), observer in zip(hooks, layers, observers, strict=True):
            hook.remove()
            layer.input_quantizer.observer = observer


def _fold_now(layer: Any, norm: nn.LayerNorm, inputs: tuple[Tensor], out: Tensor) -> Tensor:
    """Fold by the LayerNorm's output [...,C], and give what the LayerNorm puts out from now on."""
    quantizer = layer.input_quantizer
    values = sample(out, out.shape[-1], every_value=quantizer.search is minmax)  # [n,C]
    affine = quantizer.search(values, quantizer.form)
    quantizer.set_grid(fold(norm, layer, _alive(values, affine)))
    quantizer.ready.fill_(True)
    return norm.forward(*inputs)


def _alive(values: Tensor, affine: Affine) -> Affine:
    """With the mean step of the others for a channel that spans less than a step, as one does that
    is always 0: its step says nothing, and would blow its weights up."""
    span = values.amax(0).clamp(min=0) - values.amin(0).clamp(max=0)  # [C]
    alive = affine.scale <= span
    usual = affine.scale[alive].mean() if alive.any() else affine.scale.mean()
    return Affine(torch.where(alive, affine.scale, usual), affine.zero_point)
