"""The per-tensor report: bits, granularity, range, clipping and SQNR of every tensor of Q."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.bias_correction import Correction
from maskaq.quantization.conversion.convert import role_of
from maskaq.quantization.quantizers.base import PerRow, Quantizer, observing, quantizers
from maskaq.quantization.quantizers.logarithmic import AdaptiveLog, LogBase, LogSqrt2
from maskaq.quantization.quantizers.lsq import LearnedStep
from maskaq.quantization.tensor_row import TensorRow

# Why parameters stay in float, by a part of their name.
_FLOAT = {
    "norm": "LayerNorm arithmetic stays in float; its output is quantized",
    "bias": "added to the 32-bit accumulator of an integer product",
    "pos_embed": "added once to the embedding; 0.3 % of the parameters or less",
    "token": "one vector",
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
    names = {quantizer: name for name, quantizer in quantizers(q)}
    rows: dict[str, TensorRow] = {}

    def measure(quantizer: Quantizer, x: Tensor) -> None:
        rows[names[quantizer]] = _row(names[quantizer], quantizer, x.float())

    with observing(q, measure):
        q(images)
    return [*rows.values(), *_left_in_float(q)]


def _row(name: str, quantizer: Quantizer, x: Tensor) -> TensorRow:
    low, high = quantizer.limits()
    if isinstance(quantizer, PerRow):
        column = (-1, *[1] * (x.ndim - 1))
        lower, upper = low.view(column), high.view(column)  # [C_out,1,..] each
    else:
        lower, upper = low, high  # [1] or [C], along the last dimension
    # Values up to half a step beyond the last level round to it and do not count as clipped.
    half = (upper - lower) / (2 * quantizer.form.qmax - 2 * quantizer.form.qmin)
    clipped = ((x < lower - half) | (x > upper + half)).float().mean().item()
    error = (quantizer.quantize(x) - x).double().square().sum()
    sqnr = 10 * torch.log10(x.double().square().sum() / error)
    tensor, role = tensor_and_role(name)
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


def tensor_and_role(quantizer: str) -> tuple[str, str]:
    """Name and role of the tensor that the quantizer with this dotted name rounds.

    >>> tensor_and_role("blocks.0.mlp.fc2.input_quantizer")
    ('blocks.0.mlp.fc2.input', 'gelu')
    >>> tensor_and_role("blocks.0.mlp.fc2.input_quantizer.patches")
    ('blocks.0.mlp.fc2.input.patches', 'gelu')
    """
    if quantizer.endswith(".weight_quantizer"):
        return quantizer.removesuffix("_quantizer"), "weight"
    layer, inside, tokens = quantizer.partition(".input_quantizer")
    role = role_of(layer) if inside else None
    return (f"{layer}.input{tokens}", role) if role else (layer, layer.split(".")[-1])


def _left_in_float(q: nn.Module) -> Iterator[TensorRow]:
    inside = tuple(name + "." for name, _ in quantizers(q))
    for name, _ in q.named_parameters():
        if name.endswith("weight") and role_of(name.removesuffix(".weight")):
            continue
        if not name.startswith(inside):
            why = next((text for part, text in _FLOAT.items() if part in name), "not recognised")
            yield TensorRow(tensor=name, role="parameter", bits=32, quantized=False, why=why)
    for name, module in q.named_modules():
        if isinstance(module, Correction):
            why = "added to the block's output, as biases are"
            yield TensorRow(f"{name}.shift", "parameter", bits=32, quantized=False, why=why)
    for tensor, why in {
        "attention scores before softmax": "softmax is computed in float",
        "softmax, GELU and LayerNorm arithmetic": "computed in float; simulated quantization",
        "residual sums": "kept at accumulator precision, as in MaskAQ and RepQ-ViT",
        "logits": "the output",
    }.items():
        yield TensorRow(tensor=tensor, role="activation", bits=32, quantized=False, why=why)
