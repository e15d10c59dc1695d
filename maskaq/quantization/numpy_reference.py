"""The quantizers of this library in numpy, without torch: used by the sandbox page.

Each rule gives the same levels as its torch counterpart, which the tests check.

    minmax, mse    `quantizers.range_search`, with `Uniform` (asymmetric) or `PerRow` (symmetric)
    log2           `LogSqrt2`: levels in half octaves
    adaptive-log   `AdaptiveLog`: a logarithmic grid whose base is searched
    lsq            step size and zero point of `quantizers.lsq`, learned by gradient descent
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskaq.errors import OptionError, unknown
from maskaq.quantization.quantizers.integer_format import IntegerFormat

Floats = NDArray[np.float32]

DISTRIBUTIONS = {
    "weights": "Weights of a layer: a normal distribution around 0",
    "gelu": "Outputs of GELU: many small values, none below -0.17, a long tail",
    "softmax": "Softmax outputs: probabilities, most of them tiny",
    "outliers": "Activations with outliers: 1 in 200 is twenty times as large",
}
RULES = {
    "minmax": "Evenly spaced from the smallest to the largest value: nothing is clipped",
    "mse": "Evenly spaced over the shrunk range with the least squared error",
    "log2": "Levels in half octaves, for values from 0",
    "adaptive-log": "Logarithmic levels with a searched base, shifted for GELU",
    "lsq": "Evenly spaced with a learned step size and zero point (LSQ)",
}
_TINY = float(np.finfo(np.float32).tiny)
_SHIFT = 0.17  # AdaptiveLog.SHIFT
_OCTAVES = (2.4, 16.0)  # AdaptiveLog.OCTAVES
_ROW = 64  # length of a softmax
LSQ_STEPS, LSQ_RATE = 200, 0.1


@dataclass(frozen=True, eq=False)
class Grid:
    """The levels that a rule has chosen.

    levels: ascending, float32 [K].
    codes: their codes, int [K].
    step: distance between levels; on a logarithmic grid, octaves between levels.
    zero_point: the code of 0; 0 on a logarithmic grid.
    delta: largest level before the shift is subtracted, on a logarithmic grid.
    shift: subtracted from all levels of a logarithmic grid.
    even: whether the levels are evenly spaced.
    """

    rule: str
    form: IntegerFormat
    levels: Floats
    codes: NDArray[np.int64]
    step: float
    zero_point: int = 0
    delta: float = math.nan
    shift: float = 0.0
    even: bool = True

    @property
    def low(self) -> float:
        """The smallest level."""
        return float(self.levels[0])

    @property
    def high(self) -> float:
        """The largest level."""
        return float(self.levels[-1])


@dataclass(frozen=True, eq=False)
class Rounded:
    """Values rounded to a grid; arrays are [n].

    clipped: whether a value is beyond the ends of the grid.
    rounding_error, clipping_error: sums of the squared errors of the values inside and outside the
        range, divided by n, so that they add up to the mean squared error.
    sqnr_db: 10 log10(signal power / error power) in dB, infinite if exact.
    """

    values: Floats
    codes: NDArray[np.int64]
    rounded: Floats
    clipped: NDArray[np.bool_]
    rounding_error: float
    clipping_error: float
    sqnr_db: float


def sample(kind: str, n: int, seed: int) -> Floats:
    """n random values from one of `DISTRIBUTIONS`: float32 [n].

    Raises:
        OptionError: unknown kind, or n outside 1 to 1,000,000.
    """
    if kind not in DISTRIBUTIONS:
        raise OptionError(unknown("distribution", kind, DISTRIBUTIONS))
    if not 1 <= n <= 1_000_000:
        raise OptionError(f"values are {n!r}; allowed: 1 to 1000000.")
    generator = np.random.default_rng(seed)
    if kind == "weights":
        values = generator.normal(0, 0.05, n)
    elif kind == "gelu":
        inputs = generator.normal(0, 1.5, n)
        errors = np.fromiter((math.erf(x / math.sqrt(2)) for x in inputs), float, n)
        values = inputs * 0.5 * (1 + errors)
    elif kind == "softmax":
        powers = np.exp(generator.normal(0, 2, (-(-n // _ROW), _ROW)))  # [rows,64]
        values = (powers / powers.sum(1, keepdims=True)).ravel()[:n]
    else:
        values = generator.normal(0, 1, n) * np.where(generator.random(n) < 0.005, 20, 1)
    return values.astype(np.float32)


def grid(values: Floats, bits: int, symmetric: bool, rule: str) -> Grid:
    """Choose levels for values [n].

    Args:
        symmetric: signed codes and zero point 0, as for weights, else unsigned codes. Ignored by
            the logarithmic rules, whose codes are unsigned.

    Raises:
        OptionError: unknown rule, bits outside 2 to 8, no values, or values below 0 for log2.
    """
    if rule not in RULES:
        raise OptionError(unknown("rule", rule, RULES))
    values = np.asarray(values, np.float32)
    if not values.size or not np.isfinite(values).all():
        raise OptionError(f"{values.size} values; allowed: at least one, all of them finite.")
    if rule in ("log2", "adaptive-log"):
        return _log_grid(values, IntegerFormat(bits, signed=False), rule)
    form = IntegerFormat(bits, symmetric)
    step, zero_point = {"minmax": _minmax, "mse": _mse, "lsq": _lsq}[rule](values, form)
    codes = np.array(form.codes)
    levels = (codes - np.float32(zero_point)).astype(np.float32) * np.float32(step)
    return Grid(rule, form, levels, codes, float(step), int(zero_point))


def apply(values: Floats, grid: Grid) -> Rounded:
    """Round values [n] to the levels of a grid."""
    values = np.asarray(values, np.float32)
    if grid.even:
        raw = np.rint(values / np.float32(grid.step)) + np.float32(grid.zero_point)
        codes = raw.clip(grid.form.qmin, grid.form.qmax)
        rounded = (codes - np.float32(grid.zero_point)) * np.float32(grid.step)
        clipped = raw != codes
    else:
        raw = _log_codes(values, grid.delta, grid.step, grid.shift)
        codes = raw.clip(0, grid.form.qmax)
        rounded = _log_levels(codes, grid.form, grid.delta, grid.step, grid.shift)
        clipped = (raw < 0) | (values < -grid.shift)
    error = (rounded.astype(np.float64) - values) ** 2
    total, power = float(error.sum()), float((values.astype(np.float64) ** 2).sum())
    return Rounded(
        values=values,
        codes=codes.astype(np.int64),
        rounded=rounded,
        clipped=clipped,
        rounding_error=float(error[~clipped].sum()) / values.size,
        clipping_error=float(error[clipped].sum()) / values.size,
        sqnr_db=10 * math.log10(power / total) if total and power else math.inf,
    )


# Uniform grids. float32 throughout, so that the levels are those of the torch code.


def _affine(low: Any, high: Any, form: IntegerFormat) -> tuple[np.float32, np.float32]:
    """Step size and zero point of the grid from `low` to `high`, as `range_search.affine_from`."""
    low, high = np.float32(min(low, 0)), np.float32(max(high, 0))
    spaces = np.float32(len(form.codes) - 1)
    if form.signed:
        return _positive(np.float32(2) * max(-low, high) / spaces), np.float32(0)
    step = _positive((high - low) / spaces)
    return step, np.float32(np.rint(-low / step).clip(form.qmin, form.qmax))


def _positive(step: np.float32) -> np.float32:
    """Step size 1 if all values are 0, which any step size represents exactly."""
    return step if step > _TINY * 2**20 else np.float32(1)


def _minmax(values: Floats, form: IntegerFormat) -> tuple[np.float32, np.float32]:
    return _affine(values.min(), values.max(), form)


def _mse(values: Floats, form: IntegerFormat) -> tuple[np.float32, np.float32]:
    low, high = values.min(), values.max()
    steps, least = (13, 0.4) if form.signed else (30, 0.15)
    best, smallest = _affine(low, high, form), np.inf
    for factor in np.linspace(1, least, steps, dtype=np.float32):
        step, zero_point = _affine(low * factor, high * factor, form)
        codes = (np.rint(values / step) + zero_point).clip(form.qmin, form.qmax)
        error = np.mean(((codes - zero_point) * step - values) ** 2)
        if error < smallest:
            best, smallest = (step, zero_point), error
    return best


def _lsq(values: Floats, form: IntegerFormat) -> tuple[np.float32, np.float32]:
    """Learn step size and zero point, starting from s = 2 mean|x| / sqrt(qmax) (Esser et al. 2020).

    Gradient descent on the logarithm of the squared error, whose gradient does not depend on the
    scale of the values, with a learning rate that decreases to 0. With the straight-through
    estimator, d x_hat / d log s is x_hat - x inside the range and s (bound - z) outside, and
    d x_hat / d z is 0 inside and -s outside.
    """
    x = values.astype(np.float64)
    scale = 2 * np.abs(x).mean() / math.sqrt(form.qmax)
    if scale <= _TINY * 2**20 or (x == x[0]).all():
        return _minmax(values, form)
    log_step = math.log(scale)
    zero_point = 0.0 if form.signed else float(np.clip(-x.min() / scale, form.qmin, form.qmax))
    for iteration in range(LSQ_STEPS):
        step, rounded = math.exp(log_step), round(zero_point)
        raw = x / step + rounded
        inside = (raw >= form.qmin) & (raw <= form.qmax)
        error = (np.rint(raw.clip(form.qmin, form.qmax)) - rounded) * step - x  # x_hat - x
        total = (error**2).sum()
        if not total:  # exact: the logarithm has no gradient
            break
        gradient = np.where(inside, error, error + x)  # d x_hat / d log s
        rate = LSQ_RATE * (1 - iteration / LSQ_STEPS)
        log_step -= rate * float(2 * (error * gradient).sum() / total)
        if not form.signed:
            zero_point += rate * float(2 * error[~inside].sum() * step / total)
    return np.float32(math.exp(log_step)), np.float32(round(zero_point))


# Logarithmic grids: level = delta * 2^(-step * code) - shift; the last code means -shift.


def _log_grid(values: Floats, form: IntegerFormat, rule: str) -> Grid:
    if rule == "log2":
        if values.min() < 0:
            raise OptionError(
                f"log2 with values down to {values.min():.3g}; allowed: values from 0, such as "
                "softmax. Use adaptive-log or a uniform grid."
            )
        shift, floors, steps = 0.0, np.linspace(1, 0.05, 20, dtype=np.float32), [np.float32(0.5)]
    else:
        shift, floors = _SHIFT, np.linspace(1, 0.1, 19, dtype=np.float32)
        steps = list(np.linspace(*_OCTAVES, 12, dtype=np.float32) / np.float32(len(form.codes)))
    largest = max(values.max() + np.float32(shift), np.float32(_TINY))
    best, smallest = (float(largest), float(steps[0])), np.inf
    for delta in floors * largest:
        for step in steps:
            codes = _log_codes(values, delta, step, shift).clip(0, form.qmax)
            error = np.mean((_log_levels(codes, form, delta, step, shift) - values) ** 2)
            if error < smallest:
                best, smallest = (float(delta), float(step)), error
    codes = np.array(form.codes[::-1])
    levels = _log_levels(codes.astype(np.float32), form, *best, shift)
    return Grid(rule, form, levels, codes, best[1], 0, best[0], shift, even=False)


def _log_codes(values: Floats, delta: Any, step: Any, shift: float) -> Floats:
    """round(-log2((x + shift) / delta) / step), before clipping; largest for x + shift <= 0."""
    shifted = (values + np.float32(shift)).clip(1e-9 if shift else 0)
    with np.errstate(divide="ignore"):
        codes: Floats = np.rint(np.log2(shifted / np.float32(delta)) / -np.float32(step))
    return codes


def _log_levels(codes: Floats, form: IntegerFormat, delta: Any, step: Any, shift: float) -> Floats:
    powers = np.exp2(codes * -np.float32(step)) * np.float32(delta)
    return (np.where(codes >= form.qmax, np.float32(0), powers) - np.float32(shift)).astype(
        np.float32
    )
