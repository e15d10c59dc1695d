"""Choosing a quantizer's range from the values it will see.

Every search is written for samples [n,G]: n values for each of G groups (one group for a whole
tensor, one per channel), all groups at once. A range is turned into a step and, where the grid is
asymmetric, an integer zero point; it always contains 0, so that 0 is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.registry import Registry

_LARGEST_SAMPLE = 2**19  # values a search looks at
_SMALLEST_STEP = 1e-18
_QUANTILES = (0.99, 0.999, 0.9999, 0.99999)


@dataclass(frozen=True)
class Affine:
    """Step and integer zero point of a uniform grid, [G] each, both float tensors."""

    scale: Tensor
    zero_point: Tensor


Search = Callable[[Tensor, IntegerFormat], Affine]
SEARCHES: Registry[Search] = Registry("range search")


def sample(x: Tensor, groups: int, *, every_value: bool = False) -> Tensor:
    """Values [n,G] for a search, from x [...,C]: as columns or, for G = 1, as one.

    Every k-th row of a large tensor, unless `every_value`. A rare outlier mostly falls through;
    with 4 bits that is for the better, as squared error would spend most levels on it (ViT-Tiny,
    16 photographs: 24 % of 484 right without, 8 % with the outliers of one GELU output).
    """
    rows = x.detach().float().reshape(-1, x.shape[-1])  # [rows,C]
    if not every_value:
        rows = rows[:: max(1, rows.numel() // _LARGEST_SAMPLE)]  # [fewer,C]
    return rows if groups > 1 else rows.reshape(-1, 1)  # [n,G]


def fake_quantize(x: Tensor, affine: Affine, form: IntegerFormat) -> Tensor:
    """Round x [n,G] to the grid and back: s * (clip(round(x / s) + z) - z)."""
    codes = (x / affine.scale).round_().add_(affine.zero_point).clamp_(form.qmin, form.qmax)
    return codes.sub_(affine.zero_point).mul_(affine.scale)


def affine_from(low: Tensor, high: Tensor, form: IntegerFormat) -> Affine:
    """Grid from `low` to `high`, [G] each: s = (high - low) / (codes - 1), z = round(-low / s)."""
    low, high = low.clamp(max=0), high.clamp(min=0)
    if form.signed:  # symmetric, zero point 0: s = 2 max|x| / (2^b - 1) (MaskAQ's released code)
        scale = 2 * torch.maximum(-low, high) / (len(form.codes) - 1)
        return Affine(_positive(scale), torch.zeros_like(scale))
    scale = _positive((high - low) / (len(form.codes) - 1))
    return Affine(scale, (-low / scale).round().clamp(form.qmin, form.qmax))


def _positive(scale: Tensor) -> Tensor:
    """Step 1 for a group that is zero, or so nearly that 1 / step and its square would overflow."""
    return torch.where(scale > _SMALLEST_STEP, scale, torch.ones_like(scale))


@SEARCHES.register("minmax")
def minmax(x: Tensor, form: IntegerFormat) -> Affine:
    """The range that clips nothing. x [n,G]."""
    return affine_from(*x.aminmax(dim=0), form)


@SEARCHES.register("mse")
def mse(x: Tensor, form: IntegerFormat) -> Affine:
    """The shrunk range with the least mean squared error. x [n,G]."""
    return _least_error(x, form, squarings=1)


@SEARCHES.register("l4")
def l4(x: Tensor, form: IntegerFormat) -> Affine:
    """The shrunk range with the least mean fourth power of the error. x [n,G].

    It clips less than `mse`. Synthetic samples understate how far activations on real images
    reach, and the large ones matter most (`benchmarks/README.md`, "Power of the range search").
    """
    return _least_error(x, form, squarings=2)


@SEARCHES.register("percentile")
def percentile(x: Tensor, form: IntegerFormat) -> Affine:
    """Of the ranges between quantiles 1 - p and p the one of least squared error. x [n,G].

    p is 0.99 to 0.99999. RepQ-ViT (arXiv 2212.08254) takes its ranges so, and begins at 0.999.
    """
    ordered = x.sort(0).values  # [n,G]
    places = [p * (len(x) - 1) for p in _QUANTILES]
    trials = (
        affine_from(_between(ordered, len(x) - 1 - place), _between(ordered, place), form)
        for place in places
    )
    return _best(x, trials, form, squarings=1)


def _between(ordered: Tensor, place: float) -> Tensor:
    """Row `place` of sorted values [n,G], interpolated: [G]."""
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], place - below)


def _least_error(x: Tensor, form: IntegerFormat, squarings: int) -> Affine:
    """The best of 30 (weights: 13) shrunk copies of min-max, by the error squared once or twice.

    Both ends shrink together, by 1 to 0.15 (signed, that is weights: 1 to 0.4).
    """
    low, high = x.aminmax(dim=0)  # [G] each
    steps, least = (13, 0.4) if form.signed else (30, 0.15)
    factors = torch.linspace(1, least, steps).tolist()
    trials = (affine_from(low * factor, high * factor, form) for factor in factors)
    return _best(x, trials, form, squarings)


def _best(x: Tensor, trials: Iterable[Affine], form: IntegerFormat, squarings: int) -> Affine:
    """For each group the trial with the least mean error, squared once or twice; the first wins."""
    error, best = torch.full_like(x[0], torch.inf), None  # [G]
    for trial in trials:
        difference = fake_quantize(x, trial, form).sub_(x)  # [n,G]
        for _ in range(squarings):  # a general power takes ten times as long
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
