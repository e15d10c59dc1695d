"""Q as a module of ONNX operators: fake quantization becomes QuantizeLinear and DequantizeLinear.

onnxruntime fuses a product whose operands come from DequantizeLinear to an integer kernel. That
needs uniform grids with one step size per tensor, and per row of a weight: the `integer` scheme.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.errors import ExportError, some
from maskaq.export.targets import Target
from maskaq.models.attention import in_layer
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.quantizers.base import PerRow, Uniform, quantizers
from maskaq.quantization.quantizers.lsq import LearnedStep
from maskaq.quantization.storage import weight_codes

OPSET = 21  # the first with 4-bit integers
_BYTE = 8  # bits of the integers in a file
_SHIFT = 128  # from signed to unsigned bytes
NIBBLE = 4  # bits at most of weights that are packed, two to a byte
_BLOCKS = (256, 128, 64, 32, 16)  # of a packed weight: inputs that share a step size


def exportable(q: nn.Module, target: Target) -> nn.Module:
    """A copy of Q that `torch.onnx.export` turns into ONNX operators.

    Raises:
        ExportError: Q has grids that integer arithmetic cannot compute.
    """
    check(q)
    copied = copy.deepcopy(q).eval().requires_grad_(False)
    for name, module in list(copied.named_modules()):
        if isinstance(module, QuantLinear):
            packed = module.weight_quantizer.form.bits <= NIBBLE
            made = _PackedLinear(module, target) if packed else _Linear(module, target)
            copied.set_submodule(name, made)
        elif isinstance(module, QuantConv2d):
            copied.set_submodule(name, _Conv2d(module, target))
    for name, quantizer in list(quantizers(copied)):  # those of attention
        copied.set_submodule(name, _Rounding(quantizer, target))
    return copied


def check(q: nn.Module) -> None:
    """Check that every quantizer of Q can be expressed.

    Raises:
        ExportError: names those that cannot, and the way out.
    """
    bad = [name for name, one in quantizers(q) if not _expressible(one)]
    if bad:
        raise ExportError(
            f"{len(bad)} tensors have grids that integer arithmetic cannot compute "
            f"({some(bad)}). Repeat the run with --scheme integer, or export it with --format "
            "packed, which keeps every grid."
        )


def _expressible(quantizer: nn.Module) -> bool:
    if isinstance(quantizer, PerRow):
        return True
    return isinstance(quantizer, Uniform | LearnedStep) and quantizer.groups == 1


def _symbolic(name: str, inputs: tuple[Any, ...], **how: Any) -> Tensor:
    version = None if "::" in name else OPSET
    return torch.onnx.ops.symbolic(name, inputs, version=version, **how)


class _Rounding(nn.Module):
    """Rounds activations [...]: QuantizeLinear, then DequantizeLinear.

    Fewer than 8 bits are clipped to their range first; they are stored in bytes nevertheless.
    """

    def __init__(self, quantizer: Any, target: Target) -> None:
        super().__init__()
        low, high = quantizer.limits()  # [1] each
        learned = isinstance(quantizer, LearnedStep)
        scale = quantizer.log_scale.exp() if learned else quantizer.scale  # [1]
        signed = target.signed_activations
        self.dtype = torch.int8 if signed else torch.uint8
        zero_point = quantizer.zero_point.round() - (_SHIFT if signed else 0)
        self.register_buffer("scale", scale.detach().reshape(()).float().clone())
        self.register_buffer("zero_point", zero_point.detach().reshape(()).to(self.dtype))
        self.limits = (float(low), float(high)) if quantizer.form.bits < _BYTE else None

    def forward(self, x: Tensor) -> Tensor:
        if self.limits is not None:
            x = x.clamp(*self.limits)
        grid = (self.scale, self.zero_point)
        codes = _symbolic("QuantizeLinear", (x, *grid), dtype=self.dtype, shape=x.shape)
        return _symbolic("DequantizeLinear", (codes, *grid), dtype=torch.float32, shape=x.shape)


class _Weight(nn.Module):
    """A weight as bytes, and DequantizeLinear with a step size per output channel.

    Sums of two products of uint8 and int8 saturate in the 16 bits of AVX2, but not with weights of
    7 bits or fewer: 2 * 255 * 64 < 2^15. Those are signed for every target, which is faster.

    axis: of the output channels.
    """

    def __init__(self, codes: Tensor, quantizer: PerRow, axis: int, target: Target) -> None:
        super().__init__()
        signed = target.signed_weights or quantizer.form.bits < _BYTE
        dtype, shift = (torch.int8, 0) if signed else (torch.uint8, _SHIFT)
        scale = quantizer.scale
        self.axis = axis
        self.register_buffer("codes", (codes + shift).to(dtype))
        self.register_buffer("scale", scale.detach().float().clone())
        self.register_buffer("zero_point", torch.full(scale.shape, shift).to(dtype))

    def forward(self) -> Tensor:
        return _symbolic(
            "DequantizeLinear",
            (self.codes, self.scale, self.zero_point),
            attrs={"axis": self.axis},
            dtype=torch.float32,
            shape=self.codes.shape,
        )


class _Linear(nn.Module):
    """A linear layer [...,C_in] -> [...,C_out] with its weight as [C_in,C_out]."""

    def __init__(self, layer: QuantLinear, target: Target) -> None:
        super().__init__()
        self.factor = layer.factor
        self.input = _Rounding(layer.input_quantizer, target)
        codes = weight_codes(layer).T.contiguous()  # [C_in,C_out]
        self.weight = _Weight(codes, layer.weight_quantizer, 1, target)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        with in_layer():
            if self.factor is not None:
                x = x * self.factor
            # onnxruntime turns a product of two matrices and its bias into one float product.
            rows = x.unsqueeze(-2) if x.ndim == 2 else x  # [B,1,C_in] or [...,C_in]
            out: Tensor = self.input(rows) @ self.weight()  # [...,C_out]
            out = out if self.bias is None else out + self.bias
            return out.squeeze(-2) if x.ndim == 2 else out  # [...,C_out]


class _PackedLinear(nn.Module):
    """A linear layer with a weight of 4 bits, two codes to a byte: MatMulNBits of onnxruntime."""

    def __init__(self, layer: QuantLinear, target: Target) -> None:
        super().__init__()
        self.factor = layer.factor
        self.input = _Rounding(layer.input_quantizer, target)
        codes = weight_codes(layer)  # [C_out,C_in]
        self.outputs, self.inputs = codes.shape
        self.block = next((size for size in _BLOCKS if self.inputs % size == 0), _BLOCKS[-1])
        blocks = -(-self.inputs // self.block)
        zero = 2 ** (NIBBLE - 1)
        whole = F.pad(codes + zero, (0, blocks * self.block - self.inputs), value=zero).byte()
        pairs = whole.view(self.outputs, blocks, self.block // 2, 2)  # [C_out,n,block/2,2]
        self.register_buffer("codes", pairs[..., 0] | pairs[..., 1] << NIBBLE)  # [C_out,n,block/2]
        scale = layer.weight_quantizer.scale.detach().float()
        self.register_buffer("scale", scale[:, None].expand(-1, blocks).flatten())  # [C_out*n]
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        with in_layer():
            if self.factor is not None:
                x = x * self.factor
            x = self.input(x)
            out = _symbolic(
                "com.microsoft::MatMulNBits",
                (x, self.codes, self.scale),
                attrs={
                    "K": self.inputs,
                    "N": self.outputs,
                    "bits": NIBBLE,
                    "block_size": self.block,
                    "accuracy_level": 1,  # products in float32, as Q's
                },
                dtype=torch.float32,
                shape=(*x.shape[:-1], self.outputs),
            )  # [...,C_out]
            return out if self.bias is None else out + self.bias


class _Conv2d(nn.Module):
    """A convolution [B,C_in,H,W] -> [B,C_out,H',W'] with a weight of bytes."""

    def __init__(self, layer: QuantConv2d, target: Target) -> None:
        super().__init__()
        self.kernel_size, self.stride = layer.kernel_size, layer.stride  # which a model may read
        self.padding, self.dilation, self.groups = layer.padding, layer.dilation, layer.groups
        self.input = _Rounding(layer.input_quantizer, target)
        self.weight = _Weight(weight_codes(layer), layer.weight_quantizer, 0, target)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        with in_layer():
            return F.conv2d(
                self.input(x),
                self.weight(),
                self.bias,
                self.stride,
                self.padding,
                self.dilation,
                self.groups,
            )
