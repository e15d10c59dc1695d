"""Range searches: choose a quantizer's range from a sample of its inputs.

Each search takes values [n,G], n for each of G groups (1 for a whole tensor, or one per channel),
and handles all groups at once. A range becomes a step size and, on an asymmetric grid, an integer
zero point. It always contains 0, so that 0 is represented exactly.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.registry import Registry

_MOST_VALUES = 2**19  # in a sample
_SMALLEST_STEP = 1e-18
_QUANTILES = (0.99, 0.999, 0.9999, 0.99999)


@dataclass(frozen=True)
class Affine:
    """Step size and zero point of a uniform grid, float tensors [G]; zero points are integers."""

    scale: Tensor
    zero_point: Tensor


Search = Callable[[Tensor, IntegerFormat], Affine]
SEARCHES: Registry[Search] = Registry("range search")


def sample(x: Tensor, groups: int, *, every_value: bool = False) -> Tensor:
    """Values [n,G] for a search, from x [...,C]: one column per channel, or a single one for G = 1.

    Of a large tensor, only every k-th row is taken, unless `every_value`. This misses most rare
    outliers. At 4 bits that helps, because the squared error would spend most levels on them
    (ViT-Tiny calibrated on 16 photographs: 24 % of 484 images correct without the outliers of one
    GELU output, 8 % with them).
    """
    rows = x.detach().float().reshape(-1, x.shape[-1])  # [rows,C]
    if not every_value:
        rows = rows[:: max(1, rows.numel() // _MOST_VALUES)]  # [fewer,C]
    return rows if groups > 1 else rows.reshape(-1, 1)  # [n,G]


def fake_quantize(x: Tensor, affine: Affine, form: IntegerFormat) -> Tensor:
    """Round x [n,G] to the grid: s * (clip(round(x / s) + z) - z)."""
    codes = (x / affine.scale).round_().add_(affine.zero_point).clamp_(form.qmin, form.qmax)
    return codes.sub_(affine.zero_point).mul_(affine.scale)


def affine_from(low: Tensor, high: Tensor, form: IntegerFormat) -> Affine:
    """Grid from `low` to `high`, [G] each: s = (high - low) / (codes - 1), z = round(-low / s).

    A signed grid is symmetric: s = 2 max|x| / (codes - 1), z = 0, as in MaskAQ's released code.
    """
    low, high = low.clamp(max=0), high.clamp(min=0)
    if form.signed:
        scale = 2 * torch.maximum(-low, high) / (len(form.codes) - 1)
        return Affine(_positive(scale), torch.zeros_like(scale))
    scale = _positive((high - low) / (len(form.codes) - 1))
    return Affine(scale, (-low / scale).round().clamp(form.qmin, form.qmax))


def _positive(scale: Tensor) -> Tensor:
    """Step 1 for a group of zeros, or so close to zero that 1 / step squared would overflow."""
    return torch.where(scale > _SMALLEST_STEP, scale, torch.ones_like(scale))


@SEARCHES.register("minmax")
def minmax(x: Tensor, form: IntegerFormat) -> Affine:
    """The range that clips nothing. x [n,G]."""
    return affine_from(*x.aminmax(dim=0), form)


@SEARCHES.register("mse")
def mse(x: Tensor, form: IntegerFormat) -> Affine:
    """The shrunk min-max range with the least mean squared error. x [n,G]."""
    return _least_error(x, form, squarings=1)


@SEARCHES.register("l4")
def l4(x: Tensor, form: IntegerFormat) -> Affine:
    """The shrunk min-max range with the least mean fourth power of the error. x [n,G].

    It clips less than `mse`. Activations reach further on real images than on synthetic ones, and
    the large ones matter most (`benchmarks/README.md`, "Power of the range search").
    """
    return _least_error(x, form, squarings=2)


@SEARCHES.register("percentile")
def percentile(x: Tensor, form: IntegerFormat) -> Affine:
    """The range between quantiles 1 - p and p with the least mean squared error. x [n,G].

    p is 0.99, 0.999, 0.9999 or 0.99999. RepQ-ViT (arXiv 2212.08254) chooses its ranges this way,
    starting at p = 0.999.
    """
    ordered = x.sort(0).values  # [n,G]
    positions = [p * (len(x) - 1) for p in _QUANTILES]
    trials = (
        affine_from(_interpolate(ordered, len(x) - 1 - at), _interpolate(ordered, at), form)
        for at in positions
    )
    return _best(x, trials, form, squarings=1)


def _interpolate(ordered: Tensor, at: float) -> Tensor:
    """Row `at` of sorted values [n,G], linearly interpolated: [G]."""
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], at - below)


def _least_error(x: Tensor, form: IntegerFormat, squarings: int) -> Affine:
    """The best of 30 shrunk min-max ranges, by the error squared once or twice.

    Both ends are multiplied by the same factor, from 1 to 0.15. Signed grids, those of weights,
    have 13 trials from 1 to 0.4.
    """
    low, high = x.aminmax(dim=0)  # [G] each
    steps, least = (13, 0.4) if form.signed else (30, 0.15)
    factors = torch.linspace(1, least, steps).tolist()
    trials = (affine_from(low * factor, high * factor, form) for factor in factors)
    return _best(x, trials, form, squarings)


def _best(x: Tensor, trials: Iterable[Affine], form: IntegerFormat, squarings: int) -> Affine:
    """The trial with the least mean of the error, squared once or twice, for each group.

    Of equal trials the first wins.
    """
    error, best = torch.full_like(x[0], torch.inf), None  # [G]
    for trial in trials:
        difference = fake_quantize(x, trial, form).sub_(x)  # [n,G]
        for _ in range(squarings):  # a general power is ten times slower
            difference.square_()
        trial_error = difference.mean(0)  # [G]
        better = trial_error < error
        error = torch.where(better, trial_error, error)
        best = best or trial
        best = Affine(
            torch.where(better, trial.scale, best.scale),
            torch.where(better, trial.zero_point, best.zero_point),
        )
    assert best is not None
    return best
