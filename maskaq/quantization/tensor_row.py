"""Rows of the per-tensor report, usable without torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorRow:
    """How one tensor of Q is quantized, or why it stays in float.

    tensor: dotted name.
    role: `weight`, `layernorm`, `softmax`, ...
    bits: 32 if it stays in float.
    granularity: one range per `tensor` or per `channel`.
    grid: `uniform`, `lsq`, `log-sqrt2`, `log-base` or `adaptive-log`.
    low, high: ends of the representable range, the extremes over channels.
    clipped: share of values outside it, 0 to 1.
    sqnr_db: 10 log10(signal power / error power) on the images, in dB; None if exact.
    quantized: False if it stays in float.
    why: the reason that it stays in float.
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
