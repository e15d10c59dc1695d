"""The census of Q: every matrix product of a pass, quantized or in float with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from maskaq.models.attention import QuantizedAttention
from maskaq.models.structure import structure_of
from maskaq.quantization.conversion.convert import float_reason
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear

_NOT_REACHED = "a product outside of layers and attention, which no quantizer reaches"


@dataclass(frozen=True)
class Product:
    """The matrix products of one module.

    kind: `layer`, `attention` or `other`. multiply_adds: for one image. reason: why it stays in
    float; "" if both operands are quantized.
    """

    name: str
    kind: str
    multiply_adds: int
    reason: str = ""


def products(q: nn.Module) -> list[Product]:
    """Every matrix product of Q, by the module that computes it."""
    structure, rows = structure_of(q), []
    for name, layer in structure.layers.items():
        module = q.get_submodule(name)
        quantized = isinstance(module, QuantLinear | QuantConv2d)
        reason = "" if quantized else float_reason(module, layer) or "it was not converted"
        rows.append(Product(name, "layer", layer.products, reason))
    for name, call in structure.attention.items():
        quantized = isinstance(q.get_submodule(name), QuantizedAttention)
        rows.append(
            Product(name, "attention", call.products, "" if quantized else "it was not converted")
        )
    rows += [Product(name, "other", n, _NOT_REACHED) for name, n in structure.others.items()]
    return rows


def float_share(rows: Sequence[Product]) -> float:
    """Share of the multiply-adds that stay in float, 0 to 1."""
    total = sum(row.multiply_adds for row in rows)
    return sum(row.multiply_adds for row in rows if row.reason) / total if total else 0.0
