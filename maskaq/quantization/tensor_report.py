"""The per-tensor report: bits, granularity, range, clipping and SQNR of every tensor of Q."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.bias_correction import Correction
from maskaq.quantization.conversion.census import products
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.quantizers.base import PerRow, Quantizer, column, observing, quantizers
from maskaq.quantization.quantizers.logarithmic import AdaptiveLog, LogBase, LogSqrt2
from maskaq.quantization.quantizers.lsq import LearnedStep
from maskaq.quantization.tensor_row import TensorRow

# Why parameters stay in float, by a part of their name.
_FLOAT = {
    "norm": "LayerNorm arithmetic stays in float; its output is quantized",
    "relative_position_bias": "added to the attention scores, which stay in float",
    "bias": "added to the 32-bit accumulator of an integer product",
    "logit_scale": "multiplies the attention scores, which stay in float",
    "pos_embed": "added once to the embedding; 0.3 % of the parameters or less",
    "token": "one vector",
    "latent": "one vector",
    "gamma": "layer scale, folded into the weight before it",
}
_GRIDS: dict[type[Quantizer], str] = {
    LogSqrt2: "log-sqrt2",
    LogBase: "log-base",
    AdaptiveLog: "adaptive-log",
    LearnedStep: "lsq",
}


@torch.no_grad()
def tensor_report(q: nn.Module, images: Tensor) -> list[TensorRow]:
    """Rows for all tensors of Q, measured in one pass of normalised images [B,3,S,S].

    First the quantized tensors, then the parameters that stay in float, then activations that do.
    """
    names = {quantizer: tensor_and_role(q, name) for name, quantizer in quantizers(q)}
    rows: dict[str, TensorRow] = {}

    def measure(quantizer: Quantizer, x: Tensor) -> None:
        tensor, role = names[quantizer]
        rows[tensor] = _row(tensor, role, quantizer, x.float())

    with observing(q, measure):
        q(images)
    return [*rows.values(), *_left_in_float(q)]


def _row(tensor: str, role: str, quantizer: Quantizer, x: Tensor) -> TensorRow:
    low, high = quantizer.limits()
    if isinstance(quantizer, PerRow):
        lower, upper = column(low, x), column(high, x)  # [C_out,1,..] each
    else:
        lower, upper = low, high  # [1] or [C], along the last dimension
    # Values up to half a step beyond the last level round to it and do not count as clipped.
    half = (upper - lower) / (2 * quantizer.form.qmax - 2 * quantizer.form.qmin)
    clipped = ((x < lower - half) | (x > upper + half)).float().mean().item()
    error = (quantizer.quantize(x) - x).double().square().sum()
    sqnr = 10 * torch.log10(x.double().square().sum() / error)
    return TensorRow(
        tensor=tensor,
        role=role,
        bits=quantizer.form.bits,
        granularity="channel" if quantizer.groups > 1 else "tensor",
        grid=_GRIDS.get(type(quantizer), "uniform"),
        low=low.min().item(),
        high=high.max().item(),
        clipped=clipped,
        sqnr_db=sqnr.item() if sqnr.isfinite() else None,
    )


def tensor_and_role(q: nn.Module, quantizer: str) -> tuple[str, str]:
    """Name and role of the tensor that the quantizer with this dotted name rounds.

    `blocks.0.mlp.fc2.input_quantizer` rounds `blocks.0.mlp.fc2.input`, whose role is `gelu`, and
    `blocks.0.mlp.fc2.input_quantizer.patches` the tensor `blocks.0.mlp.fc2.input.patches`.
    """
    if quantizer.endswith(".weight_quantizer"):
        return quantizer.removesuffix("_quantizer"), "weight"
    layer, inside, tokens = quantizer.partition(".input_quantizer")
    if inside:
        return f"{layer}.input{tokens}", str(q.get_submodule(layer).role)
    return layer, layer.split(".")[-1]


def _left_in_float(q: nn.Module) -> Iterator[TensorRow]:
    inside = tuple(name + "." for name, _ in quantizers(q))
    left = [one for one in products(q) if one.reason]
    reasons = {one.name: one.reason for one in left}
    layers = {n for n, m in q.named_modules() if isinstance(m, QuantLinear | QuantConv2d)}
    for name, _ in q.named_parameters():
        module, _, own = name.rpartition(".")
        if (own == "weight" and module in layers) or name.startswith(inside):
            continue
        known = (text for part, text in _FLOAT.items() if part in name)
        why = reasons.get(module) or next(known, "a parameter outside of all matrix products")
        yield TensorRow(tensor=name, role="parameter", bits=32, quantized=False, why=why)
    for name, module in q.named_modules():
        if isinstance(module, Correction):
            why = "added to the block's output, as biases are"
            yield TensorRow(f"{name}.shift", "parameter", bits=32, quantized=False, why=why)
    for one in left:
        if one.kind == "other":
            yield TensorRow(one.name, "product", bits=32, quantized=False, why=one.reason)
    for tensor, why in {
        "attention scores before softmax": "softmax is computed in float",
        "softmax, GELU and LayerNorm arithmetic": "computed in float; simulated quantization",
        "residual sums": "kept at accumulator precision, as in MaskAQ and RepQ-ViT",
        "logits": "the output",
    }.items():
        yield TensorRow(tensor=tensor, role="activation", bits=32, quantized=False, why=why)
