"""The per-tensor report as plain data, readable without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorRow:
    """What became of one tensor of Q.

    tensor: dotted name. role: what it is (`weight`, `layernorm`, `softmax`, ...). bits: 32 where
    it stays in float. granularity: `tensor` or `channel`. grid: `uniform`, `lsq`, `log-sqrt2`,
    `log-base` or `adaptive-log`. low, high: representable range (extremes over channels).
    clipped: share of values outside it.
    sqnr_db: 10 log10(signal / error power) in dB on the samples; None if exact.
    why: for tensors left in float, the reason.
    """

    tensor: str
    role: str
    bits: int
    granularity: str = ""
    grid: str = ""
    low: float | None = None
    high: float | None = None
    clipped: float | None = None
    sqnr_db: float | None = None
    quantized: bool = True
    why: str = ""
